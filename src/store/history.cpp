#include "history.hpp"

#include "history_rows.hpp"
#include "lists.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace klen::webhooks::store {

namespace {

#define KLEN_EVENT_COLUMNS "event_type, body, coalesce(traceparent, ''), " KLEN_TIME("accepted_at")
// By its key, and the account afterwards: the index by account must not look like a way to one event.
constexpr statement find_event{"find_event", "SELECT " KLEN_EVENT_COLUMNS
                                             " FROM (SELECT * FROM events WHERE event_id = $2::uuid OFFSET 0) e"
                                             " WHERE account_id = $1::text"};

// $2 delivery, $3 the attempt that the part before began with, $4 limit.
constexpr statement find_attempts{"find_attempts",
                                  "SELECT " KLEN_ATTEMPT_COLUMNS ", a.response_headers, a.response_body FROM attempts a"
                                  " WHERE a.delivery_id = $2::uuid AND a.account_id = $1::text"
                                  " AND a.attempt < $3::integer ORDER BY a.attempt DESC LIMIT $4::integer"};
// Every resend adds one, so a limit: the newest are what is asked for. $2 deliveries, $3 how many of each.
constexpr statement find_newest_attempts{
    "find_newest_attempts",
    "SELECT a.delivery_id, " KLEN_ATTEMPT_COLUMNS " FROM unnest($2::uuid[]) AS p (delivery_id)"
    " CROSS JOIN LATERAL (SELECT * FROM attempts WHERE delivery_id = p.delivery_id AND account_id = $1::text"
    "  ORDER BY attempt DESC LIMIT $3::integer) a"
    " ORDER BY a.delivery_id, a.attempt"};

// $1 webhook, $2 revisions: what was in force, the highest up to each.
constexpr statement find_versions{
    "find_webhook_versions",
    "SELECT r.revision, v.url, v.headers FROM unnest($2::bigint[]) AS r (revision)"
    " CROSS JOIN LATERAL (SELECT url, headers FROM webhook_versions WHERE webhook_id = $1::uuid"
    "  AND revision <= r.revision ORDER BY revision DESC LIMIT 1) v"};
constexpr statement find_senders{"find_senders", "SELECT instance_id, header_prefix, user_agent FROM senders"
                                                 " WHERE instance_id = ANY ($1::bigint[])"};
constexpr statement find_secrets{"find_secrets", "SELECT " KLEN_SECRET_COLUMNS
                                                 ", added_revision FROM webhook_secrets WHERE webhook_id = $1::uuid"
                                                 " ORDER BY added_revision DESC, created_at DESC, secret_id DESC"};

result<event_row> read_event_alone(session::work& in, std::string const& account_id, event_id id) {
    auto const found = in.run(find_event, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return failure{fault::not_found, "there is no such event"};
    event_row out;
    out.id = id;
    out.account_id = account_id;
    out.event_type = found->text(0, 0);
    out.body = found->bytes(0, 1);
    out.traceparent = found->text(0, 2);
    out.accepted_at = time_at(*found, 0, 3);
    return out;
}

result<void> add_newest_attempts(session::work& in, std::string const& account_id, std::uint32_t limit,
                                 std::vector<delivery_row>& to) {
    std::map<delivery_id, delivery_row*> by_id;
    std::vector<delivery_id> ids;
    for (auto& one : to) {
        by_id[one.id] = &one;
        ids.push_back(one.id);
    }
    auto const found =
        in.run(find_newest_attempts,
               parameters().text(account_id).array(uuid_array(ids)).int4(static_cast<std::int32_t>(limit)));
    if (!found)
        return found.error();
    for (std::size_t i = 0; i < found->size(); ++i)
        by_id.at(found->id<delivery_id>(i, 0))->attempts.push_back(attempt_at(*found, i, 1));
    return {};
}

// --- what the requests looked like ----------------------------------------------------------------------------------

struct known_version {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
};
struct known_sender {
    std::string header_prefix;
    std::string user_agent;
};
struct known_secret {
    sealed_secret secret;
    std::int64_t added_revision = 0;
};
struct known_origins {
    std::map<std::int64_t, known_version> versions; ///< by the revision that was asked for
    std::map<std::int64_t, known_sender> senders;
    std::vector<known_secret> secrets; ///< newest first
};

result<known_origins> read_origins(session::work& in, delivery_row const& of) {
    binary_array revisions(pg_type::int8), instances(pg_type::int8);
    for (auto const& attempt : of.attempts) {
        revisions.add_int8(attempt.webhook_revision);
        instances.add_int8(attempt.instance.value);
    }
    known_origins out;
    auto const versions = in.run(find_versions, parameters().id(of.webhook).array(revisions));
    if (!versions)
        return versions.error();
    for (std::size_t i = 0; i < versions->size(); ++i)
        out.versions[versions->int8(i, 0)] = {std::string(versions->text(i, 1)), headers_of(versions->text(i, 2))};
    auto const senders = in.run(find_senders, parameters().array(instances));
    if (!senders)
        return senders.error();
    for (std::size_t i = 0; i < senders->size(); ++i)
        out.senders[senders->int8(i, 0)] = {std::string(senders->text(i, 1)), std::string(senders->text(i, 2))};
    auto const secrets = in.run(find_secrets, parameters().id(of.webhook));
    if (!secrets)
        return secrets.error();
    for (std::size_t i = 0; i < secrets->size(); ++i)
        out.secrets.push_back({secret_at(*secrets, i, 0), secrets->int8(i, secret_columns)});
    return out;
}

/// The newest that was there already, and those before it whose grace had not ended.
std::vector<sealed_secret> signers_of(attempt_row const& attempt, std::vector<known_secret> const& newest_first) {
    wall_time const signed_at{seconds(attempt.signed_at)};
    std::vector<sealed_secret> out;
    for (auto const& [secret, added_revision] : newest_first) {
        if (added_revision > attempt.webhook_revision)
            continue;
        if (out.empty() || (secret.expires_at && signed_at < *secret.expires_at))
            out.push_back(secret);
    }
    return out;
}

std::optional<request_origin> origin_of(attempt_row const& attempt, known_origins const& known) {
    auto const version = known.versions.find(attempt.webhook_revision);
    auto const sender = known.senders.find(attempt.instance.value);
    if (attempt.signed_at == 0 || version == known.versions.end() || sender == known.senders.end())
        return std::nullopt;
    request_origin out{version->second.url, version->second.headers, sender->second.header_prefix,
                       sender->second.user_agent, signers_of(attempt, known.secrets)};
    if (out.secrets.empty())
        return std::nullopt;
    return out;
}

/// A part of the attempts of `of`, in the order in which they were made.
result<void> add_attempts(session::work& in, attempts_filter const& which, delivery_details& of) {
    auto const limit = static_cast<std::int32_t>(which.limit);
    auto const before = which.before.value_or(std::numeric_limits<std::int32_t>::max());
    auto const found = in.run(
        find_attempts, parameters().text(of.delivery.account_id).id(of.delivery.id).int4(before).int4(limit + 1));
    if (!found)
        return found.error();
    of.more = found->size() > which.limit;
    for (std::size_t i = std::min<std::size_t>(found->size(), which.limit); i-- > 0;) {
        auto attempt = attempt_at(*found, i, 0);
        attempt.response_headers = found->bytes(i, attempt_columns);
        attempt.response_body = found->bytes(i, attempt_columns + 1);
        of.delivery.attempts.push_back(std::move(attempt));
    }
    return {};
}

} // namespace

result<event_details> read_event(session& on, std::string const& account_id, event_id id,
                                 event_deliveries_filter const& which) {
    event_details out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        auto event = read_event_alone(in, account_id, id);
        if (!event)
            return event.error();
        out.event = std::move(*event);
        delivery_filter all;
        all.after = which.after;
        all.limit = which.limit;
        auto deliveries = list_event_deliveries(in, account_id, id, all);
        if (!deliveries)
            return deliveries.error();
        out.more = deliveries->more;
        out.event.deliveries = std::move(deliveries->items);
        return add_newest_attempts(in, account_id, which.attempts_of_each, out.event.deliveries);
    });
    if (!done)
        return done.error();
    return out;
}

result<slice_of<delivery_row>> read_event_deliveries(session& on, std::string const& account_id, event_id id,
                                                     delivery_filter const& filter) {
    slice_of<delivery_row> out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        if (auto const event = read_event_alone(in, account_id, id); !event)
            return event.error();
        auto found = list_event_deliveries(in, account_id, id, filter);
        if (!found)
            return found.error();
        out = std::move(*found);
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<delivery_details> read_details(session& on, std::string const& account_id, delivery_id id,
                                      attempts_filter const& which) {
    delivery_details out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        auto delivery = read_delivery(in, account_id, id);
        if (!delivery)
            return delivery.error();
        out.delivery = std::move(*delivery);
        if (auto added = add_attempts(in, which, out); !added)
            return added.error();
        auto event = read_event_alone(in, account_id, out.delivery.event);
        if (event)
            out.event = std::move(*event);
        else if (event.error().kind != fault::not_found)
            return event.error();
        auto const known = read_origins(in, out.delivery);
        if (!known)
            return known.error();
        for (auto const& attempt : out.delivery.attempts)
            out.origins.push_back(origin_of(attempt, *known));
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

} // namespace klen::webhooks::store
