#include "key_calls.hpp"

#include "optional_values.hpp"
#include "paging.hpp"
#include "webhook_rows.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <map>

namespace klen::webhooks::store {

namespace {

// The columns of a key `k`, in the order in which `key_at` reads them.
#define KLEN_KEY_COLUMNS                                                                                               \
    "k.api_key_id, k.account_id, k.name, k.hash, k.hint, k.permissions, k.max_requests_per_second,"                    \
    " k.revoked_at IS NOT NULL, " KLEN_TIME("k.created_at") ", " KLEN_TIME("k.last_used_at") ", " KLEN_TIME(           \
        "k.revoked_at")

// Held to the end of the transaction by whoever makes keys for this account, so that nobody counts while another adds.
constexpr statement lock_account_keys{"lock_account_keys", "SELECT pg_advisory_xact_lock(7236285, hashtext($1::text))"};

// A call that is repeated because its answer was lost made another key of the same id; nobody has seen the first one,
// unless it was used. $8: how many keys the account may have, 0: any number.
constexpr statement add_key{
    "add_api_key",
    "INSERT INTO api_keys AS k (api_key_id, account_id, name, hash, hint, permissions, max_requests_per_second)"
    " SELECT $1::uuid, ($2::text[])[1], $3::text, $4::bytea, $5::text, $6::text[], ($7::integer[])[1]"
    " WHERE $8::bigint = 0 OR EXISTS (SELECT FROM api_keys WHERE api_key_id = $1::uuid) OR $8::bigint >"
    "  (SELECT count(*) FROM api_keys WHERE account_id = ($2::text[])[1] AND revoked_at IS NULL)"
    " ON CONFLICT (api_key_id) DO UPDATE"
    "  SET hash = excluded.hash, hint = excluded.hint, changed_at = clock_timestamp()"
    "  WHERE k.hash <> excluded.hash AND k.last_used_at IS NULL AND k.revoked_at IS NULL"
    "   AND k.account_id IS NOT DISTINCT FROM excluded.account_id"
    " RETURNING " KLEN_KEY_COLUMNS};

constexpr statement key_is_there{"api_key_is_there", "SELECT FROM api_keys WHERE api_key_id = $1::uuid"};

constexpr statement list_keys{"list_api_keys", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys k ORDER BY k.api_key_id"};
constexpr statement list_valid{"list_valid_api_keys", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys k"
                                                      " WHERE k.revoked_at IS NULL ORDER BY k.api_key_id"};
constexpr paged_statements of_account{
    {"count_api_keys_of", "SELECT count(*) FROM api_keys k WHERE k.account_id = $1::text"},
    {"page_of_api_keys_of", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys k WHERE k.account_id = $1::text"
                            " ORDER BY k.api_key_id DESC LIMIT $2::bigint OFFSET $3::bigint"}};
constexpr paged_statements of_all{{"count_api_keys", "SELECT count(*) FROM api_keys k"},
                                  {"page_of_api_keys",
                                   "SELECT " KLEN_KEY_COLUMNS " FROM api_keys k"
                                   " ORDER BY k.api_key_id DESC LIMIT $1::bigint OFFSET $2::bigint"}};

#define KLEN_KEY_IN_SCOPE " k.api_key_id = $1::uuid AND (($2::text[])[1] IS NULL OR k.account_id = ($2::text[])[1])"
constexpr statement show_key{"show_api_key", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys k WHERE" KLEN_KEY_IN_SCOPE};
constexpr statement revoke_one{
    "revoke_api_key", "UPDATE api_keys k SET revoked_at = coalesce(k.revoked_at, clock_timestamp()),"
                      " changed_at = CASE WHEN k.revoked_at IS NULL THEN clock_timestamp() ELSE k.changed_at END"
                      " WHERE" KLEN_KEY_IN_SCOPE " RETURNING " KLEN_KEY_COLUMNS};

// Locked in one order by all daemons. `changed_at` stays: a use is nothing that the others would have to know.
constexpr statement note_uses{
    "note_key_uses",
    "WITH used AS MATERIALIZED ("
    " SELECT u.api_key_id, timestamptz 'epoch' + u.at_us * interval '1 microsecond' AS at"
    " FROM unnest($1::uuid[], $2::bigint[]) AS u (api_key_id, at_us)),"
    "locked AS MATERIALIZED ("
    " SELECT api_key_id FROM api_keys WHERE api_key_id = ANY ($1::uuid[]) ORDER BY api_key_id FOR NO KEY UPDATE) "
    "UPDATE api_keys k SET last_used_at = used.at FROM locked, used"
    " WHERE k.api_key_id = locked.api_key_id AND used.api_key_id = locked.api_key_id"
    " AND (k.last_used_at IS NULL OR k.last_used_at < used.at)"};

// As with webhooks: a little further back than the last time.
constexpr statement changed_keys{
    "changed_api_keys", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys k"
                        " WHERE k.changed_at > $1::text::timestamptz - interval '10 seconds' ORDER BY k.changed_at"};

api_key_row key_at(rows const& from, std::size_t row) {
    api_key_row out;
    int column = 0;
    out.id = from.id<api_key_id>(row, column++);
    if (!from.is_null(row, column))
        out.account_id = from.text(row, column);
    ++column;
    out.name = from.text(row, column++);
    auto const hash = from.bytes(row, column++);
    if (hash.size() == out.hash.size())
        std::ranges::copy(as_bytes(hash), out.hash.begin());
    out.hint = from.text(row, column++);
    out.permissions = parse_text_array(from.text(row, column++));
    out.max_requests_per_second = optional_int_at(from, row, column++);
    out.revoked = from.boolean(row, column++);
    out.created_at = time_at(from, row, column++);
    out.last_used_at = optional_time_at(from, row, column++);
    out.revoked_at = optional_time_at(from, row, column++);
    return out;
}

parameters parameters_of(api_key_row const& key, std::uint32_t per_account_max) {
    parameters out;
    out.id(key.id).array(nullable(key.account_id)).text(key.name);
    out.bytes(key.hash).text(key.hint).array(text_array(key.permissions)).array(nullable(key.max_requests_per_second));
    out.int8(per_account_max);
    return out;
}

result<std::vector<api_key_row>> keys_of(result<rows> const& found) {
    if (!found)
        return found.error();
    std::vector<api_key_row> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.push_back(key_at(*found, i));
    return out;
}

result<api_key_row> the_key_of(result<rows> const& found) {
    if (!found)
        return found.error();
    if (found->empty())
        return failure{fault::not_found, "there is no such key"};
    return key_at(*found, 0);
}

} // namespace

result<api_key_row> insert_key(session& on, api_key_row const& key, std::uint32_t per_account_max) {
    auto const max = key.account_id ? per_account_max : 0;
    result<api_key_row> out = failure{fault::conflict, "the account has " + std::to_string(max) +
                                                           " keys, which is the most; revoke one that is not needed"};
    auto const done = on.transact([&](session::work& in) -> result<void> {
        if (max > 0)
            if (auto const locked = in.run(lock_account_keys, parameters().text(*key.account_id)); !locked)
                return locked.error();
        auto const added = in.run(add_key, parameters_of(key, max));
        if (!added)
            return added.error();
        if (!added->empty()) {
            out = key_at(*added, 0);
            return {};
        }
        auto const there = in.run(key_is_there, parameters().id(key.id));
        if (!there)
            return there.error();
        if (!there->empty())
            out = the_key_of(in.run(show_key, parameters().id(key.id).array(nullable(key.account_id))));
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<std::vector<api_key_row>> read_all_keys(session& on) { return keys_of(on.run(list_keys)); }

result<std::vector<api_key_row>> read_valid_keys(session& on) { return keys_of(on.run(list_valid)); }

result<page_of<api_key_row>> find_keys(session& on, key_scope const& scope, page_request page) {
    if (!scope)
        return read_page(on, of_all, parameters(), page, key_at);
    return read_page(on, of_account, parameters().text(*scope), page, key_at);
}

result<api_key_row> read_key(session& on, key_scope const& scope, api_key_id id) {
    return the_key_of(on.run(show_key, parameters().id(id).array(nullable(scope))));
}

result<api_key_row> revoke_key(session& on, key_scope const& scope, api_key_id id) {
    return the_key_of(on.run(revoke_one, parameters().id(id).array(nullable(scope))));
}

result<void> note_key_uses(session& on, std::vector<std::pair<api_key_id, wall_time>> const& used) {
    std::map<api_key_id, wall_time> last;
    for (auto const& [id, at] : used)
        last[id] = std::max(last.try_emplace(id, at).first->second, at);
    if (last.empty())
        return {};
    binary_array ids(pg_type::uuid), times(pg_type::int8);
    for (auto const& [id, at] : last) {
        ids.add(id);
        times.add_int8(microseconds_of(at));
    }
    auto const noted = on.run(note_uses, parameters().array(ids).array(times));
    if (!noted)
        return noted.error();
    return {};
}

result<std::vector<api_key_row>> keys_changed_since(session& on, std::string const& cursor) {
    return keys_of(on.run(changed_keys, parameters().text(cursor)));
}

} // namespace klen::webhooks::store
