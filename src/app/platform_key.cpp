#include "app/platform_key.hpp"

#include "app/private_file.hpp"
#include "klen/webhooks/signing/api_key.hpp"

namespace klen::webhooks::app {

namespace {

store::api_key_row row_of(std::string const& text, std::array<std::uint8_t, 32> const& hash) {
    store::api_key_row row;
    row.id = make_id<api_key_id>();
    row.hash = hash;
    row.hint = signing::api_key_hint(text);
    return row;
}

/// The key in `file`, or a new one that is then in `file`.
result<new_key> key_kept_in(std::string const& file) {
    auto kept = read_private_file(file);
    if (kept.has_error())
        return kept.error();
    if (kept->has_value()) {
        if (auto const hash = signing::hash_api_key(**kept)) {
            new_key out{**kept, row_of(**kept, *hash)};
            out.row.name = "first key";
            out.row.permissions = all_permissions();
            return out;
        }
    }
    auto out = make_key(std::nullopt, "first key", {});
    if (auto written = write_private_file(file, out.text + "\n"); written.has_error())
        return written.error();
    return out;
}

} // namespace

new_key make_key(std::optional<std::string> account_id, std::string name, std::vector<std::string> permissions) {
    auto made = signing::api_key::generate();
    new_key out{made.text, row_of(made.text, made.hash)};
    out.row.account_id = std::move(account_id);
    out.row.name = std::move(name);
    out.row.permissions = std::move(permissions);
    if (out.row.permissions.empty())
        out.row.permissions = all_permissions();
    return out;
}

task<result<std::optional<std::string>>> make_first_key(store::api_store& in, std::string file) {
    auto const existing = co_await in.list_api_keys();
    if (existing.has_error())
        co_return existing.error();
    if (!existing->empty())
        co_return std::optional<std::string>{};
    auto key = key_kept_in(file);
    if (key.has_error())
        co_return key.error();
    auto row = key->row;
    auto const stored = co_await in.create_api_key(std::move(row));
    if (stored.has_error())
        co_return stored.error();
    co_return std::optional<std::string>(key->text);
}

} // namespace klen::webhooks::app
