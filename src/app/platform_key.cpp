#include "app/platform_key.hpp"

#include "app/private_file.hpp"
#include "klen/webhooks/base/encoding.hpp"
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

constexpr char const* first_name = "first key";

/// There until the key in `file` is stored: names it by its hash, so that it stands for no key that was there before.
std::string mark_of(std::string const& file) { return file + ".pending"; }

struct kept_key {
    std::optional<new_key> pending; ///< an interrupted start left it
    bool other = false;             ///< there is one that none did
};

result<kept_key> key_kept_in(std::string const& file) {
    auto const text = read_private_file(file);
    if (text.has_error())
        return text.error();
    auto const mark = read_private_file(mark_of(file));
    if (mark.has_error())
        return mark.error();
    auto const hash = signing::hash_api_key(text->value_or(""));
    if (!hash)
        return kept_key{};
    if (mark->value_or("") != hex_encode(*hash))
        return kept_key{.pending = std::nullopt, .other = true};
    new_key out{**text, row_of(**text, *hash)};
    out.row.name = first_name;
    out.row.permissions = all_permissions();
    return kept_key{.pending = std::move(out)};
}

/// A new key that is then in `file`. The mark comes first: without it the key would not be known again.
result<new_key> make_key_in(std::string const& file) {
    auto out = make_key(std::nullopt, first_name, {});
    if (auto marked = write_private_file(mark_of(file), hex_encode(out.row.hash) + "\n"); marked.has_error())
        return marked.error();
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

task<result<std::optional<first_key>>> make_first_key(store::api_store& in, std::string file) {
    auto const existing = co_await in.list_api_keys();
    if (existing.has_error())
        co_return existing.error();
    if (!existing->empty()) {
        // A start that died right after it had stored its key left the mark.
        if (auto const unmarked = remove_private_file(mark_of(file)); unmarked.has_error())
            co_return unmarked.error();
        co_return std::optional<first_key>{};
    }
    auto kept = key_kept_in(file);
    if (kept.has_error())
        co_return kept.error();
    auto key = kept->pending ? result<new_key>(std::move(*kept->pending)) : make_key_in(file);
    if (key.has_error())
        co_return key.error();
    auto row = key->row;
    auto const stored = co_await in.create_api_key(std::move(row));
    if (stored.has_error())
        co_return stored.error();
    if (auto const unmarked = remove_private_file(mark_of(file)); unmarked.has_error())
        co_return unmarked.error();
    co_return std::optional(first_key{key->text, kept->other});
}

} // namespace klen::webhooks::app
