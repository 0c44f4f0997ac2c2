#include "secret_calls.hpp"

#include "history_rows.hpp"
#include "webhook_calls.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

// The newest is the one without an end; the order of the others is that of the revisions they came with, because a
// clock may step back.
constexpr statement signing_secrets{"signing_secrets",
                                    "SELECT " KLEN_SECRET_COLUMNS " FROM webhook_secrets WHERE webhook_id = $1::uuid"
                                    " AND (expires_at IS NULL OR expires_at > clock_timestamp())"
                                    " ORDER BY expires_at IS NULL DESC, added_revision DESC, secret_id DESC"};

constexpr statement lock_one{"lock_webhook_of_secret",
                             "SELECT FROM webhooks WHERE webhook_id = $2::uuid AND account_id = $1::text"
                             " AND deleted_at IS NULL FOR NO KEY UPDATE"};
constexpr statement secret_is_there{"secret_is_there",
                                    "SELECT FROM webhook_secrets WHERE secret_id = $1::uuid AND webhook_id = $2::uuid"};
// The one that was the newest gets its end, and none that was replaced before signs longer than it.
constexpr statement end_others{
    "end_other_secrets", "UPDATE webhook_secrets SET"
                         " expires_at = least(expires_at, clock_timestamp() + $2::bigint * interval '1 second')"
                         " WHERE webhook_id = $1::uuid AND (expires_at IS NULL OR expires_at > clock_timestamp())"};
constexpr statement add_secret{
    "add_secret", "WITH changed AS ("
                  " UPDATE webhooks SET revision = nextval('webhook_revisions'), changed_at = clock_timestamp(),"
                  "  updated_at = clock_timestamp() WHERE webhook_id = $2::uuid RETURNING webhook_id, revision) "
                  "INSERT INTO webhook_secrets (secret_id, webhook_id, sealed, key_id, added_revision)"
                  " SELECT $1::uuid, webhook_id, $3::bytea, $4::text, revision FROM changed"};

// Of deleted webhooks and expired ones too: while attempts that they signed are kept, so are they.
constexpr statement sealed_before{"sealed_before",
                                  "SELECT " KLEN_SECRET_COLUMNS ", webhook_id,"
                                  " (SELECT account_id FROM webhooks w WHERE w.webhook_id = s.webhook_id),"
                                  " (expires_at IS NULL OR expires_at > clock_timestamp()) AND EXISTS (SELECT"
                                  "  FROM webhooks w WHERE w.webhook_id = s.webhook_id AND w.deleted_at IS NULL)"
                                  " FROM webhook_secrets s WHERE secret_id > $1::uuid AND key_id <> $2::text"
                                  " ORDER BY secret_id LIMIT $3::bigint"};
// In the order in which the outcomes of attempts lock webhooks, and before the secrets, as a rotation does.
constexpr statement lock_webhooks{"lock_resealed_webhooks", "SELECT FROM webhooks WHERE webhook_id = ANY ($1::uuid[])"
                                                            " ORDER BY webhook_id FOR NO KEY UPDATE"};
constexpr statement write_sealed{
    "write_resealed",
    "WITH fresh AS MATERIALIZED ("
    " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) AS f (secret_id, was, sealed, key_id)),"
    "written AS ("
    " UPDATE webhook_secrets s SET sealed = f.sealed, key_id = f.key_id FROM fresh f"
    "  WHERE s.secret_id = f.secret_id AND s.key_id = f.was RETURNING s.webhook_id),"
    "told AS ("
    " UPDATE webhooks SET revision = nextval('webhook_revisions'), changed_at = clock_timestamp()"
    "  WHERE webhook_id IN (SELECT webhook_id FROM written)) "
    "SELECT count(*) FROM written"};

result<std::vector<sealed_secret>> secrets_of(result<rows> const& found) {
    if (!found)
        return found.error();
    std::vector<sealed_secret> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.push_back(secret_at(*found, i, 0));
    return out;
}

result<void> rotate(session::work& in, std::string const& account_id, webhook_id id, sealed_secret const& fresh,
                    seconds grace) {
    auto const locked = in.run(lock_one, parameters().text(account_id).id(id));
    if (!locked)
        return locked.error();
    if (locked->empty())
        return no_webhook();
    auto const done_before = in.run(secret_is_there, parameters().id(fresh.id).id(id));
    if (!done_before)
        return done_before.error();
    if (!done_before->empty())
        return {};
    auto const ended = in.run(end_others, parameters().id(id).int8(std::max<std::int64_t>(grace.count(), 0)));
    if (!ended)
        return ended.error();
    if (grace.count() > 0 && ended->affected() >= signing_secrets_max)
        return failure{fault::conflict, std::to_string(signing_secrets_max) +
                                            " secrets sign for this webhook already: wait until one has expired, or "
                                            "rotate without a grace period"};
    auto const added = in.run(add_secret, parameters().id(fresh.id).id(id).bytes(fresh.sealed).text(fresh.key_id));
    if (!added)
        return added.error();
    return {};
}

/// Columns of what is to be written.
struct resealed {
    binary_array ids{pg_type::uuid};
    binary_array key_ids_before{pg_type::text};
    binary_array sealed{pg_type::bytes};
    binary_array key_ids{pg_type::text};
    binary_array webhooks{pg_type::uuid};
};

resealed seal_each(rows const& found, seal_again const& again, api_store::reseal_step& step) {
    resealed out;
    for (std::size_t i = 0; i < found.size(); ++i) {
        auto const before = secret_at(found, i, 0);
        step.last = before.id;
        auto const now = again(before, std::string(found.text(i, secret_columns + 1)));
        if (!now && !found.boolean(i, secret_columns + 2)) {
            ++step.left;
            continue;
        }
        if (!now) {
            step.refused.emplace_back(found.id<webhook_id>(i, secret_columns), now.error());
            continue;
        }
        out.ids.add(before.id);
        out.key_ids_before.add(std::string_view(before.key_id));
        out.sealed.add(std::span<std::uint8_t const>(now->sealed));
        out.key_ids.add(std::string_view(now->key_id));
        out.webhooks.add(found.uuid_value(i, secret_columns));
    }
    return out;
}

} // namespace

result<webhook> read_with_secrets(session& on, std::string const& account_id, webhook_id id) {
    auto out = read_webhook(on, account_id, id);
    if (!out)
        return out;
    auto secrets = secrets_of(on.run(signing_secrets, parameters().id(id)));
    if (!secrets)
        return secrets.error();
    out->secrets = std::move(*secrets);
    return out;
}

result<webhook> replace_secret(session& on, std::string const& account_id, webhook_id id, sealed_secret const& fresh,
                               seconds grace) {
    auto const done = on.transact([&](session::work& in) { return rotate(in, account_id, id, fresh, grace); });
    if (!done)
        return done.error();
    return read_with_secrets(on, account_id, id);
}

result<api_store::reseal_step> reseal_some(session& on, secret_id after, std::uint32_t limit,
                                           std::string const& current_key_id, seal_again const& again) {
    auto const found = on.run(sealed_before, parameters().id(after).text(current_key_id).int8(limit));
    if (!found)
        return found.error();
    api_store::reseal_step step;
    auto const fresh = seal_each(*found, again, step);
    if (fresh.ids.size() == 0)
        return step;
    auto const done = on.transact([&](session::work& in) -> result<void> {
        if (auto const locked = in.run(lock_webhooks, parameters().array(fresh.webhooks)); !locked)
            return locked.error();
        auto const written =
            in.run(write_sealed,
                   parameters().array(fresh.ids).array(fresh.key_ids_before).array(fresh.sealed).array(fresh.key_ids));
        if (!written)
            return written.error();
        step.changed = static_cast<std::uint64_t>(written->int8(0, 0));
        return {};
    });
    if (!done)
        return done.error();
    return step;
}

} // namespace klen::webhooks::store
