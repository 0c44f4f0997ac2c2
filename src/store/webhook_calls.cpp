#include "webhook_calls.hpp"

#include "optional_values.hpp"
#include "paging.hpp"
#include "secret_calls.hpp"
#include "webhook_rows.hpp"

#include "klen/webhooks/event/event_types.hpp"

namespace klen::webhooks::store {

namespace {

// --- create ----------------------------------------------------------------------------------------------------------

// Held to the end of the transaction by whoever creates for this account, so that nobody counts while another adds.
constexpr statement lock_account{"lock_account", "SELECT pg_advisory_xact_lock(7236284, hashtext($1::text))"};

// Repeatable: a second run finds the row of the first and adds nothing. $13: how many webhooks the account may have, 0:
// any number; $14… the secret.
constexpr statement add_webhook{
    "add_webhook",
    "WITH added AS ("
    " INSERT INTO webhooks (webhook_id, account_id, name, url, description, subscribed_events, headers, metadata,"
    "  max_concurrency, max_rate_per_second, enabled, disabled_reason, disabled_at, disabled_note)"
    " SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text[], $7::text::json, $8::text::json,"
    "  ($9::integer[])[1], ($10::integer[])[1], $11::boolean, CASE WHEN NOT $11::boolean THEN 'requested' END,"
    "  CASE WHEN NOT $11::boolean THEN clock_timestamp() END,"
    "  CASE WHEN NOT $11::boolean THEN nullif($12::text, '') END"
    " WHERE $13::bigint = 0 OR $13::bigint >"
    "  (SELECT count(*) FROM webhooks WHERE account_id = $2::text AND deleted_at IS NULL)"
    " ON CONFLICT DO NOTHING RETURNING webhook_id, revision, url, headers),"
    "version AS ("
    " INSERT INTO webhook_versions (webhook_id, revision, url, headers)"
    " SELECT webhook_id, revision, url, headers FROM added) "
    "INSERT INTO webhook_secrets (secret_id, webhook_id, sealed, key_id, added_revision)"
    " SELECT $14::uuid, webhook_id, $15::bytea, $16::text, revision FROM added"};
constexpr statement webhook_is_there{"webhook_is_there",
                                     "SELECT FROM webhooks WHERE webhook_id = $2::uuid AND account_id = $1::text"};

// --- list and show ---------------------------------------------------------------------------------------------------

// $1 enabled, $2 patterns of the event type, $3 text. Texts are compared by bytes once their case is gone: nothing in
// them has a meaning, as it would have for LIKE.
#define KLEN_FILTERED_WEBHOOKS                                                                                         \
    " FROM webhooks w WHERE w.deleted_at IS NULL"                                                                      \
    " AND (($1::boolean[])[1] IS NULL OR w.enabled = ($1::boolean[])[1])"                                              \
    " AND (cardinality($2::text[]) = 0 OR w.subscribed_events && $2::text[])"                                          \
    " AND ($3::text = '' OR strpos(fold_case(w.name), fold_case($3::text)) > 0"                                        \
    "  OR strpos(fold_case(w.url), fold_case($3::text)) > 0)"

constexpr paged_statements of_account{
    {"count_webhooks", "SELECT count(*)" KLEN_FILTERED_WEBHOOKS " AND w.account_id = $4::text"},
    {"list_webhooks", "SELECT " KLEN_WEBHOOK_COLUMNS KLEN_FILTERED_WEBHOOKS
                      " AND w.account_id = $4::text ORDER BY w.webhook_id DESC LIMIT $5::bigint OFFSET $6::bigint"}};
constexpr paged_statements of_all_accounts{{"count_all_webhooks", "SELECT count(*)" KLEN_FILTERED_WEBHOOKS},
                                           {"list_all_webhooks",
                                            "SELECT " KLEN_WEBHOOK_COLUMNS KLEN_FILTERED_WEBHOOKS
                                            " ORDER BY w.webhook_id DESC LIMIT $4::bigint OFFSET $5::bigint"}};

#define KLEN_ONE_WEBHOOK                                                                                               \
    " FROM webhooks w WHERE w.webhook_id = $2::uuid AND w.account_id = $1::text AND w.deleted_at IS NULL"
constexpr statement show_one{"show_webhook", "SELECT " KLEN_WEBHOOK_COLUMNS KLEN_ONE_WEBHOOK};

// --- change ----------------------------------------------------------------------------------------------------------

constexpr statement lock_one{"lock_webhook", "SELECT " KLEN_WEBHOOK_COLUMNS KLEN_ONE_WEBHOOK " FOR NO KEY UPDATE"};

// Whoever disables a webhook that is disabled already leaves the reason and time as they are: a webhook that was found
// failing does not become one that was switched off. In the same way only a webhook that was disabled is forgiven its
// failures.
#define KLEN_ENABLED_NOW "coalesce(($14::boolean[])[1], w.enabled)"
constexpr statement change_one{
    "change_webhook",
    "UPDATE webhooks w SET"
    " name = coalesce(($3::text[])[1], w.name),"
    " url = coalesce(($4::text[])[1], w.url),"
    " description = coalesce(($5::text[])[1], w.description),"
    " subscribed_events = CASE WHEN $6::boolean THEN $7::text[] ELSE w.subscribed_events END,"
    " headers = coalesce(($8::text[])[1]::json, w.headers),"
    " metadata = coalesce(($9::text[])[1]::json, w.metadata),"
    " max_concurrency = CASE WHEN $10::boolean THEN ($11::integer[])[1] ELSE w.max_concurrency END,"
    " max_rate_per_second = CASE WHEN $12::boolean THEN ($13::integer[])[1] ELSE w.max_rate_per_second END,"
    " enabled = " KLEN_ENABLED_NOW ","
    " disabled_reason = CASE WHEN NOT " KLEN_ENABLED_NOW " THEN coalesce(w.disabled_reason, 'requested') END,"
    " disabled_at = CASE WHEN NOT " KLEN_ENABLED_NOW " THEN coalesce(w.disabled_at, clock_timestamp()) END,"
    " disabled_note = CASE WHEN NOT " KLEN_ENABLED_NOW
    "  THEN nullif(coalesce(($15::text[])[1], w.disabled_note), '') END,"
    " failing_since = CASE WHEN w.enabled OR NOT " KLEN_ENABLED_NOW " THEN w.failing_since END,"
    " failing_reported_at = CASE WHEN w.enabled OR NOT " KLEN_ENABLED_NOW " THEN w.failing_reported_at END,"
    " revision = nextval('webhook_revisions'), changed_at = clock_timestamp(), updated_at = clock_timestamp()"
    " WHERE w.webhook_id = $2::uuid AND w.account_id = $1::text AND w.deleted_at IS NULL"
    " RETURNING " KLEN_WEBHOOK_COLUMNS};
constexpr statement add_version{"add_webhook_version",
                                "INSERT INTO webhook_versions (webhook_id, revision, url, headers)"
                                " VALUES ($1::uuid, $2::bigint, $3::text, $4::text::json)"};

// --- delete ----------------------------------------------------------------------------------------------------------

constexpr statement mark_deleted{"delete_webhook",
                                 "UPDATE webhooks SET deleted_at = clock_timestamp(), changed_at = clock_timestamp(),"
                                 "  revision = nextval('webhook_revisions')"
                                 " WHERE webhook_id = $2::uuid AND account_id = $1::text AND deleted_at IS NULL"};
// What is parked becomes due, so that dispatch cancels it. Only so many: the call must end; the rest is found by
// webhook, as parked deliveries of deleted webhooks are.
constexpr statement unpark_some{
    "unpark_deleted",
    "UPDATE deliveries SET parked = false WHERE delivery_id IN ("
    " SELECT delivery_id FROM deliveries WHERE webhook_id = $1::uuid AND lease_owner IS NULL AND parked LIMIT 5000"
    " FOR UPDATE SKIP LOCKED)"};

// --- what changed ----------------------------------------------------------------------------------------------------

// Looks back a little further than the last time: a change is dated before its commit, so one that was not to be seen
// then may be older than that look.
constexpr statement changed_webhooks{
    "changed_webhooks", "SELECT webhook_id, revision FROM webhooks"
                        " WHERE changed_at > $1::text::timestamptz - interval '10 seconds' ORDER BY changed_at"};

/// Nothing added is a success when the webhook is there already.
result<void> add_with_secret(session::work& in, webhook const& w, sealed_secret const& secret,
                             std::uint32_t per_account_max) {
    if (per_account_max > 0)
        if (auto const locked = in.run(lock_account, parameters().text(w.account_id)); !locked)
            return locked.error();
    parameters with;
    with.id(w.id).text(w.account_id).text(w.name).text(w.url).text(w.description);
    with.array(text_array(w.subscribed_events)).text(headers_json(w.headers)).text(w.metadata);
    with.array(nullable(w.max_concurrency)).array(nullable(w.max_rate_per_second));
    with.boolean(w.enabled).text(w.disabled_note).int8(per_account_max);
    with.id(secret.id).bytes(secret.sealed).text(secret.key_id);
    auto const added = in.run(add_webhook, with);
    if (!added)
        return added.error();
    if (added->affected() > 0)
        return {};
    auto const there = in.run(webhook_is_there, parameters().text(w.account_id).id(w.id));
    if (!there)
        return there.error();
    if (there->empty())
        return failure{fault::conflict,
                       "the account has " + std::to_string(per_account_max) + " webhooks, which is the most"};
    return {};
}

bool is_empty(webhook_change const& what) {
    return !what.name && !what.url && !what.description && !what.subscribed_events && !what.headers && !what.metadata &&
           !what.max_concurrency && !what.max_rate_per_second && !what.enabled && !what.disabled_note;
}

parameters parameters_of(std::string const& account_id, webhook_id id, webhook_change const& what) {
    std::optional<std::string> headers;
    if (what.headers)
        headers = headers_json(*what.headers);
    parameters out;
    out.text(account_id).id(id);
    out.array(nullable(what.name)).array(nullable(what.url)).array(nullable(what.description));
    out.boolean(what.subscribed_events.has_value());
    out.array(text_array(what.subscribed_events.value_or(std::vector<std::string>())));
    out.array(nullable(headers)).array(nullable(what.metadata));
    out.boolean(what.max_concurrency.has_value());
    out.array(nullable(what.max_concurrency.value_or(std::optional<int>())));
    out.boolean(what.max_rate_per_second.has_value());
    out.array(nullable(what.max_rate_per_second.value_or(std::optional<int>())));
    out.array(nullable(what.enabled)).array(nullable(what.disabled_note));
    return out;
}

/// The row as it is now; the one before it is held until the commit, so nobody else's change comes between.
result<webhook> change_locked(session::work& in, parameters const& with, webhook const& before) {
    auto const changed = in.run(change_one, with);
    if (!changed)
        return changed.error();
    auto const now = webhook_at(*changed, 0);
    if (now.url == before.url && now.headers == before.headers)
        return now;
    auto const added =
        in.run(add_version, parameters().id(now.id).int8(now.revision).text(now.url).text(headers_json(now.headers)));
    if (!added)
        return added.error();
    return now;
}

} // namespace

failure no_webhook() { return {fault::not_found, "there is no such webhook"}; }

result<webhook> insert_webhook(session& on, webhook const& w, sealed_secret const& secret,
                               std::uint32_t per_account_max) {
    auto const done = on.transact([&](session::work& in) { return add_with_secret(in, w, secret, per_account_max); });
    if (!done)
        return done.error();
    return read_with_secrets(on, w.account_id, w.id);
}

result<page_of<webhook>> find_webhooks(session& on, webhook_filter const& filter, page_request page) {
    parameters with;
    with.array(nullable(filter.enabled));
    with.array(text_array(filter.event_type.empty() ? std::vector<std::string>()
                                                    : event::matching_patterns(storable_text(filter.event_type))));
    with.text(storable_text(filter.text));
    if (!filter.account_id)
        return read_page(on, of_all_accounts, with, page, webhook_at);
    return read_page(on, of_account, with.text(*filter.account_id), page, webhook_at);
}

result<webhook> read_webhook(session& on, std::string const& account_id, webhook_id id) {
    auto const found = on.run(show_one, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return no_webhook();
    return webhook_at(*found, 0);
}

result<webhook> update_webhook(session& on, std::string const& account_id, webhook_id id, webhook_change const& what) {
    if (is_empty(what))
        return read_webhook(on, account_id, id);
    webhook out;
    auto const done = on.transact([&](session::work& in) -> result<void> {
        auto const before = in.run(lock_one, parameters().text(account_id).id(id));
        if (!before)
            return before.error();
        if (before->empty())
            return no_webhook();
        auto changed = change_locked(in, parameters_of(account_id, id, what), webhook_at(*before, 0));
        if (!changed)
            return changed.error();
        out = std::move(*changed);
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<void> remove_webhook(session& on, std::string const& account_id, webhook_id id, bool may_be_ours) {
    return on.transact([&](session::work& in) -> result<void> {
        auto const marked = in.run(mark_deleted, parameters().text(account_id).id(id));
        if (!marked)
            return marked.error();
        if (marked->affected() == 0 && may_be_ours) {
            auto const there = in.run(webhook_is_there, parameters().text(account_id).id(id));
            if (!there)
                return there.error();
            if (!there->empty())
                return {};
        }
        if (marked->affected() == 0)
            return no_webhook();
        if (auto unparked = in.run(unpark_some, parameters().id(id)); !unparked)
            return unparked.error();
        return {};
    });
}

result<std::vector<std::pair<webhook_id, std::int64_t>>> webhooks_changed_since(session& on,
                                                                                std::string const& cursor) {
    auto const found = on.run(changed_webhooks, parameters().text(cursor));
    if (!found)
        return found.error();
    std::vector<std::pair<webhook_id, std::int64_t>> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.emplace_back(found->id<webhook_id>(i, 0), found->int8(i, 1));
    return out;
}

} // namespace klen::webhooks::store
