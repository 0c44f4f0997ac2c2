#include "idempotent_calls.hpp"

namespace klen::webhooks::store {

namespace {

// One statement decides who carries a call out. It is taken when nobody has it; when it was given up (-infinity); or
// when whoever had it has been silent for a minute. The id stays the same for the same request, so that a first call
// that did get something done is carried on with, not done once more.
constexpr statement take{
    "take_idempotent_call",
    "INSERT INTO idempotent_calls AS c (scope, idempotency_key, request_hash, resource_id, holder)"
    " VALUES ($1::text, $2::text, $3::bytea, $4::uuid, $4::uuid)"
    " ON CONFLICT (scope, idempotency_key) DO UPDATE SET begun_at = clock_timestamp(), holder = excluded.holder,"
    "  request_hash = excluded.request_hash,"
    "  resource_id = CASE WHEN c.request_hash = excluded.request_hash THEN c.resource_id ELSE excluded.resource_id END"
    " WHERE c.status IS NULL AND (c.begun_at = '-infinity'"
    "  OR c.request_hash = excluded.request_hash AND c.begun_at < clock_timestamp() - interval '1 minute')"
    " RETURNING resource_id"};
constexpr statement look{"find_idempotent_call",
                         "SELECT request_hash = $3::bytea, resource_id, status, sealed_answer, key_id,"
                         " holder IS NOT DISTINCT FROM $4::uuid"
                         " FROM idempotent_calls WHERE scope = $1::text AND idempotency_key = $2::text"};
// The first answer stays. Of another resource: the call was given up, and taken with another request.
constexpr statement finish{
    "finish_idempotent_call",
    "UPDATE idempotent_calls SET status = $3::integer, sealed_answer = $4::bytea, key_id = $5::text"
    " WHERE scope = $1::text AND idempotency_key = $2::text AND status IS NULL"
    " AND resource_id = $6::uuid"};
// The row stays for its id: a call that failed because the database went away may have left something after all. When a
// repeat has taken it over, it is the repeat's: a third would carry it out beside that one.
constexpr statement give_up{"give_up_idempotent_call",
                            "UPDATE idempotent_calls SET begun_at = '-infinity'"
                            " WHERE scope = $1::text AND idempotency_key = $2::text AND status IS NULL"
                            " AND holder = $3::uuid"};

/// A call that another has, or had; or an earlier run of this one, which took it without having heard so.
result<idempotent_begin> judge(rows const& found) {
    if (!found.boolean(0, 0))
        return failure{fault::conflict, "the key was used for another request"};
    uuid const resource = found.uuid_value(0, 1);
    if (found.is_null(0, 2)) {
        if (found.boolean(0, 5))
            return idempotent_begin(resource);
        return idempotent_begin(call_under_way());
    }
    idempotent_answer answer;
    answer.status = static_cast<int>(found.int8(0, 2));
    auto const sealed = found.bytes(0, 3);
    answer.sealed_body.assign(sealed.begin(), sealed.end());
    answer.key_id = found.text(0, 4);
    answer.resource_id = resource;
    return idempotent_begin(std::move(answer));
}

} // namespace

result<idempotent_begin> take_call(session& on, idempotent_call const& call) {
    auto const which =
        parameters().text(call.scope).text(call.idempotency_key).bytes(call.request_hash).uuid_value(call.resource_id);
    auto const taken = on.run(take, which);
    if (!taken)
        return taken.error();
    if (!taken->empty())
        return idempotent_begin(taken->uuid_value(0, 0));
    auto const found = on.run(look, which);
    if (!found)
        return found.error();
    if (found->empty())
        return idempotent_begin(call_under_way()); // past its window, and removed just now
    return judge(*found);
}

result<void> keep_answer(session& on, std::string const& scope, std::string const& idempotency_key,
                         idempotent_answer const& answer) {
    auto const kept = on.run(finish, parameters()
                                         .text(scope)
                                         .text(idempotency_key)
                                         .int4(answer.status)
                                         .bytes(answer.sealed_body)
                                         .text(answer.key_id)
                                         .uuid_value(answer.resource_id));
    if (!kept)
        return kept.error();
    return {};
}

result<void> release_call(session& on, std::string const& scope, std::string const& idempotency_key, uuid holder) {
    auto const given_up = on.run(give_up, parameters().text(scope).text(idempotency_key).uuid_value(holder));
    if (!given_up)
        return given_up.error();
    return {};
}

} // namespace klen::webhooks::store
