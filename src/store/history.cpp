#include "history.hpp"

#include "history_rows.hpp"

#include <algorithm>
#include <map>

namespace klen::webhooks::store {

namespace {

#define KLEN_EVENT_COLUMNS "event_type, body, coalesce(traceparent, ''), " KLEN_TIME("accepted_at")
// By its key, and the account afterwards: the index by account must not look like a way to one event.
constexpr statement find_event{"find_event", "SELECT " KLEN_EVENT_COLUMNS
                                             " FROM (SELECT * FROM events WHERE event_id = $2::uuid OFFSET 0) e"
                                             " WHERE account_id = $1::text"};

// $2, $3: the ids that carry the event's millisecond; no index of its own is needed. For one delivery, its own id
// twice.
#define KLEN_QUEUE_COLUMNS                                                                                             \
    "delivery_id, event_id, webhook_id, event_type, attempts_made, lease_owner IS NOT NULL, " KLEN_TIME(               \
        "next_attempt_at")
constexpr statement find_pending{"find_pending_of_event",
                                 "SELECT " KLEN_QUEUE_COLUMNS
                                 " FROM deliveries WHERE delivery_id >= $2::uuid AND delivery_id < $3::uuid"
                                 " AND event_id = $4::uuid AND account_id = $1::text ORDER BY delivery_id LIMIT 20000"};
constexpr statement find_one_pending{"find_pending",
                                     "SELECT " KLEN_QUEUE_COLUMNS
                                     " FROM deliveries WHERE delivery_id = $2::uuid AND account_id = $1::text"};

#define KLEN_RECORD_COLUMNS "a.delivery_id, a.event_id, a.webhook_id, a.event_type, " KLEN_ATTEMPT_COLUMNS
constexpr int first_of_attempt = 4;
constexpr statement find_attempts{"find_attempts_of_event",
                                  "SELECT " KLEN_RECORD_COLUMNS
                                  " FROM attempts a WHERE a.delivery_id >= $2::uuid AND a.delivery_id < $3::uuid"
                                  " AND a.event_id = $4::uuid AND a.account_id = $1::text"
                                  " ORDER BY a.delivery_id, a.attempt LIMIT 20000"};
// Every resend adds one, so a limit: the newest are what is asked for.
constexpr statement find_all_attempts{
    "find_all_attempts",
    "SELECT " KLEN_RECORD_COLUMNS ", a.response_headers, a.response_body FROM attempts a"
    " WHERE a.delivery_id = $2::uuid AND a.account_id = $1::text ORDER BY a.attempt DESC LIMIT 500"};

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

using delivery_map = std::map<delivery_id, delivery_row>;

failure no_delivery() { return {fault::not_found, "there is no such delivery"}; }

delivery_row& delivery_in(delivery_map& all, rows const& from, std::size_t row) {
    auto& out = all[from.id<delivery_id>(row, 0)];
    out.id = from.id<delivery_id>(row, 0);
    out.event = from.id<event_id>(row, 1);
    out.webhook = from.id<webhook_id>(row, 2);
    if (out.event_type.empty())
        out.event_type = from.text(row, 3);
    return out;
}

void add_attempt(delivery_map& to, rows const& from, std::size_t row) {
    auto& one = delivery_in(to, from, row);
    one.attempts.push_back(attempt_at(from, row, first_of_attempt));
    one.attempts_made = one.attempts.back().attempt;
    one.status = status_after(one.attempts.back().decision);
}

/// What is in the queue is so whatever its earlier attempts decided.
void add_pending_row(delivery_map& to, rows const& from, std::size_t row) {
    auto& one = delivery_in(to, from, row);
    one.attempts_made = static_cast<int>(from.int8(row, 4));
    bool const leased = from.boolean(row, 5);
    one.status = leased ? delivery_status::delivering : delivery_status::pending;
    if (!leased)
        one.next_attempt_at = time_at(from, row, 6);
}

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

result<std::vector<delivery_row>> read_all_of_event(session::work& in, std::string const& account_id, event_id id) {
    auto const ids = same_millisecond(id.value);
    auto const with = parameters().text(account_id).uuid_value(ids.first).uuid_value(ids.past_last).id(id);
    delivery_map found;
    auto const recorded = in.run(find_attempts, with);
    if (!recorded)
        return recorded.error();
    for (std::size_t i = 0; i < recorded->size(); ++i)
        add_attempt(found, *recorded, i);
    auto const waiting = in.run(find_pending, with);
    if (!waiting)
        return waiting.error();
    for (std::size_t i = 0; i < waiting->size(); ++i)
        add_pending_row(found, *waiting, i);
    std::vector<delivery_row> out;
    for (auto& [key, one] : found) {
        one.account_id = account_id;
        out.push_back(std::move(one));
    }
    return out;
}

void keep_last_attempt(delivery_row& of) {
    if (!of.attempts.empty())
        of.last_attempt = std::move(of.attempts.back());
    of.attempts.clear();
}

bool passes(delivery_row const& one, delivery_filter const& filter) {
    if (!filter.status.empty() && std::ranges::find(filter.status, one.status) == filter.status.end())
        return false;
    return !filter.error ||
           std::ranges::any_of(one.attempts, [&](attempt_row const& a) { return a.error == *filter.error; });
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

result<delivery_row> read_with_attempts(session::work& in, std::string const& account_id, delivery_id id) {
    auto const with = parameters().text(account_id).id(id);
    delivery_map all;
    auto const recorded = in.run(find_all_attempts, with);
    if (!recorded)
        return recorded.error();
    for (std::size_t i = recorded->size(); i-- > 0;) {
        add_attempt(all, *recorded, i);
        auto& attempt = all[id].attempts.back();
        attempt.response_headers = recorded->bytes(i, first_of_attempt + attempt_columns);
        attempt.response_body = recorded->bytes(i, first_of_attempt + attempt_columns + 1);
    }
    auto const waiting = in.run(find_one_pending, with);
    if (!waiting)
        return waiting.error();
    if (!waiting->empty())
        add_pending_row(all, *waiting, 0);
    if (all.empty())
        return no_delivery();
    auto& out = all[id];
    out.account_id = account_id;
    return std::move(out);
}

} // namespace

result<event_row> read_event(session& on, std::string const& account_id, event_id id) {
    result<event_row> out = no_delivery();
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        out = read_event_alone(in, account_id, id);
        if (!out)
            return out.error();
        auto deliveries = read_all_of_event(in, account_id, id);
        if (!deliveries)
            return deliveries.error();
        out->deliveries = std::move(*deliveries);
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<std::vector<delivery_row>> read_event_deliveries(session& on, std::string const& account_id, event_id id,
                                                        delivery_filter const& filter) {
    std::vector<delivery_row> out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        if (auto const event = read_event_alone(in, account_id, id); !event)
            return event.error();
        auto found = read_all_of_event(in, account_id, id);
        if (!found)
            return found.error();
        for (auto& one : *found)
            if (passes(one, filter)) {
                keep_last_attempt(one);
                out.push_back(std::move(one));
            }
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<delivery_details> read_details(session& on, std::string const& account_id, delivery_id id) {
    delivery_details out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        auto delivery = read_with_attempts(in, account_id, id);
        if (!delivery)
            return delivery.error();
        out.delivery = std::move(*delivery);
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
