#include "history.hpp"

#include "webhook_rows.hpp"

#include <map>

namespace klen::webhooks::store {

std::string_view to_string(delivery_status status) {
    switch (status) {
    case delivery_status::pending:
        return "pending";
    case delivery_status::delivering:
        return "delivering";
    case delivery_status::delivered:
        return "delivered";
    case delivery_status::failed:
        return "failed";
    case delivery_status::cancelled:
        return "cancelled";
    }
    return "unknown";
}

namespace {

constexpr statement find_event{"find_event",
                               "SELECT event_type, body, " KLEN_TIME(
                                   "accepted_at") " FROM events WHERE event_id = $2::uuid AND account_id = $1::text"};

// $1, $2: the ids that carry the event's millisecond; no index of its own is needed.
constexpr statement find_pending{
    "find_pending_of_event",
    "SELECT delivery_id, webhook_id, lease_owner IS NOT NULL, attempts_made, " KLEN_TIME(
        "next_attempt_at") " FROM deliveries WHERE delivery_id >= $1::uuid AND delivery_id < $2::uuid"
                           " AND event_id = $3::uuid ORDER BY delivery_id LIMIT 20000"};
constexpr statement find_attempts{
    "find_attempts_of_event",
    "SELECT delivery_id, webhook_id, attempt, " KLEN_TIME(
        "started_at") ", duration_us, decision, error_class, coalesce(status, 0), message, ''::bytea,"
                      " remote_address FROM attempts WHERE delivery_id >= $1::uuid AND delivery_id < $2::uuid"
                      " AND event_id = $3::uuid ORDER BY delivery_id, attempt LIMIT 20000"};

policy::decision decision_of(std::string_view text) {
    for (auto const one :
         {policy::decision::delivered, policy::decision::retry, policy::decision::failed, policy::decision::cancelled})
        if (policy::to_string(one) == text)
            return one;
    throw failure_error({fault::corrupt, "an attempt's decision cannot be read"});
}

attempt_row attempt_at(rows const& from, std::size_t row) {
    attempt_row out;
    out.attempt = static_cast<int>(from.int8(row, 2));
    out.started_at = time_at(from, row, 3);
    out.duration = std::chrono::microseconds(from.int8(row, 4));
    out.decision = decision_of(from.text(row, 5));
    out.error = policy::parse_error_class(from.text(row, 6)).value_or(policy::error_class::none);
    out.status = static_cast<int>(from.int8(row, 7));
    out.message = from.text(row, 8);
    out.response_headers = from.bytes(row, 9);
    out.remote_address = from.text(row, 10);
    return out;
}

/// Of a delivery that is no longer in the queue: what its last attempt decided.
delivery_status status_after(policy::decision last) {
    switch (last) {
    case policy::decision::delivered:
        return delivery_status::delivered;
    case policy::decision::failed:
        return delivery_status::failed;
    case policy::decision::cancelled:
        return delivery_status::cancelled;
    case policy::decision::retry:
        break; // it left the queue between our two looks
    }
    return delivery_status::delivering;
}

using delivery_map = std::map<delivery_id, delivery_row>;

result<void> add_attempts(session& on, parameters const& range, delivery_map& to) {
    auto const found = on.run(find_attempts, range);
    if (!found)
        return found.error();
    for (std::size_t i = 0; i < found->size(); ++i) {
        auto& one = to[found->id<delivery_id>(i, 0)];
        one.id = found->id<delivery_id>(i, 0);
        one.webhook = found->id<webhook_id>(i, 1);
        one.attempts.push_back(attempt_at(*found, i));
        one.attempts_made = one.attempts.back().attempt;
        one.status = status_after(one.attempts.back().decision);
    }
    return {};
}

result<void> add_pending(session& on, parameters const& range, delivery_map& to) {
    auto const found = on.run(find_pending, range);
    if (!found)
        return found.error();
    for (std::size_t i = 0; i < found->size(); ++i) {
        auto& one = to[found->id<delivery_id>(i, 0)];
        one.id = found->id<delivery_id>(i, 0);
        one.webhook = found->id<webhook_id>(i, 1);
        bool const leased = found->boolean(i, 2);
        one.status = leased ? delivery_status::delivering : delivery_status::pending;
        one.attempts_made = static_cast<int>(found->int8(i, 3));
        if (!leased)
            one.next_attempt_at = time_at(*found, i, 4);
    }
    return {};
}

} // namespace

result<event_row> read_event(session& on, std::string const& account_id, event_id id) {
    auto const found = on.run(find_event, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return failure{fault::not_found, "there is no such event"};
    event_row out;
    out.id = id;
    out.account_id = account_id;
    out.event_type = found->text(0, 0);
    out.body = found->bytes(0, 1);
    out.accepted_at = time_at(*found, 0, 2);
    auto const ids = same_millisecond(id.value);
    auto const range = parameters().uuid_value(ids.first).uuid_value(ids.past_last).id(id);
    // The queue first: a delivery that ends between the two looks is then seen with its last attempt.
    delivery_map pending, deliveries;
    if (auto done = add_pending(on, range, pending); !done)
        return done.error();
    if (auto done = add_attempts(on, range, deliveries); !done)
        return done.error();
    for (auto& [key, one] : pending) {
        auto& known = deliveries[key];
        if (known.attempts.empty() || known.status == delivery_status::delivering) {
            one.attempts = std::move(known.attempts);
            known = std::move(one);
        }
    }
    for (auto& [key, one] : deliveries) {
        one.event = id;
        one.account_id = account_id;
        out.deliveries.push_back(std::move(one));
    }
    return out;
}

} // namespace klen::webhooks::store
