#include "klen/webhooks/store/master_keys.hpp"

#include "history_rows.hpp"
#include "session.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

constexpr std::int64_t secrets_tried_max = 1000;

constexpr statement find_key{"find_master_key", "SELECT check_value FROM master_keys WHERE key_id = $1::text"};
constexpr statement keep_key{"keep_master_key", "INSERT INTO master_keys (key_id, check_value)"
                                                " VALUES ($1::text, $2::bytea) ON CONFLICT DO NOTHING"};
// Those that sign first.
constexpr statement some_secrets{"secrets_of_master_key",
                                 "SELECT " KLEN_SECRET_COLUMNS ","
                                 " (SELECT account_id FROM webhooks w WHERE w.webhook_id = s.webhook_id)"
                                 " FROM webhook_secrets s WHERE key_id = $1::text"
                                 " ORDER BY expires_at IS NULL DESC, secret_id DESC LIMIT $2::bigint"};

constexpr statement find_missing{"missing_master_keys",
                                 "SELECT key_id FROM master_keys m WHERE NOT key_id = ANY($1::text[]) AND EXISTS"
                                 " (SELECT FROM webhook_secrets s WHERE s.key_id = m.key_id"
                                 " AND (expires_at IS NULL OR expires_at > now())) ORDER BY key_id"};

key_fit compare(rows const& on_record, std::vector<std::uint8_t> const& check_value) {
    auto const known = on_record.bytes(0, 0);
    return known == std::string_view(reinterpret_cast<char const*>(check_value.data()), check_value.size())
               ? key_fit::fits
               : key_fit::another_on_record;
}

} // namespace

result<key_fit> fit_master_key(connection_options const& options, std::string const& key_id,
                               std::vector<std::uint8_t> const& check_value,
                               std::function<bool(sealed_secret const&, std::string const& account_id)> const& opens) {
    session link(options, {.name = "master keys", .statement_timeout = options.statement_timeout});
    auto const before = link.run(find_key, parameters().text(key_id));
    if (!before)
        return before.error();
    if (!before->empty())
        return compare(*before, check_value);
    auto const sealed = link.run(some_secrets, parameters().text(key_id).int8(secrets_tried_max));
    if (!sealed)
        return sealed.error();
    bool opened = sealed->empty();
    for (std::size_t i = 0; i < sealed->size() && !opened; ++i)
        opened = opens(secret_at(*sealed, i, 0), std::string(sealed->text(i, secret_columns)));
    if (!opened)
        return key_fit::opens_nothing;
    if (auto const kept = link.run(keep_key, parameters().text(key_id).bytes(check_value)); !kept)
        return kept.error();
    // Another daemon may have been faster.
    auto const now = link.run(find_key, parameters().text(key_id));
    if (!now)
        return now.error();
    if (now->empty())
        return failure{fault::database_busy, "the master key's check value was deleted while it was written"};
    return compare(*now, check_value);
}

result<std::vector<std::string>> missing_master_keys(connection_options const& options,
                                                     std::vector<std::string> const& ours) {
    session link(options, {.name = "master keys", .statement_timeout = options.statement_timeout});
    auto const found = link.run(find_missing, parameters().array(text_array(ours)));
    if (!found)
        return found.error();
    std::vector<std::string> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.emplace_back(found->text(i, 0));
    return out;
}

} // namespace klen::webhooks::store
