#include "history_rows.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

constexpr statement find_webhook{"find_webhook",
                                 "SELECT FROM webhooks WHERE webhook_id = $2::uuid AND account_id = $1::text"};

constexpr statement find_delivery{"find_delivery",
                                  "WITH page AS (SELECT $2::uuid AS delivery_id) " KLEN_SHOW_DELIVERIES};

policy::decision decision_at(rows const& from, std::size_t row, int column) {
    auto const text = from.text(row, column);
    for (auto const one :
         {policy::decision::delivered, policy::decision::retry, policy::decision::failed, policy::decision::cancelled})
        if (policy::to_string(one) == text)
            return one;
    throw failure_error({fault::corrupt, "an attempt's decision cannot be read"});
}

} // namespace

attempt_row attempt_at(rows const& from, std::size_t row, int first_column) {
    int column = first_column;
    attempt_row out;
    out.attempt = static_cast<int>(from.int8(row, column++));
    out.started_at = time_at(from, row, column++);
    out.duration = std::chrono::microseconds(from.int8(row, column++));
    out.decision = decision_at(from, row, column++);
    out.error = policy::parse_error_class(from.text(row, column++)).value_or(policy::error_class::none);
    out.status = static_cast<int>(from.int8(row, column++));
    out.message = from.text(row, column++);
    out.remote_address = from.text(row, column++);
    out.manual = from.boolean(row, column++);
    out.next_attempt_at = optional_time_at(from, row, column++);
    out.signed_at = from.int8(row, column++);
    out.webhook_revision = from.int8(row, column++);
    out.instance = instance_id{from.int8(row, column++)};
    return out;
}

delivery_row delivery_at(rows const& from, std::size_t row, std::string const& account_id) {
    constexpr int first_of_attempt = 8;
    delivery_row out;
    out.id = from.id<delivery_id>(row, 0);
    out.event = from.id<event_id>(row, 1);
    out.webhook = from.id<webhook_id>(row, 2);
    out.account_id = account_id;
    out.event_type = from.text(row, 3);
    if (!from.is_null(row, first_of_attempt))
        out.last_attempt = attempt_at(from, row, first_of_attempt);
    if (from.boolean(row, 4)) {
        bool const leased = from.boolean(row, 5);
        out.status = leased ? delivery_status::delivering : delivery_status::pending;
        out.attempts_made = static_cast<int>(from.int8(row, 6));
        if (!leased)
            out.next_attempt_at = time_at(from, row, 7);
    } else if (out.last_attempt) {
        out.status = status_after(out.last_attempt->decision);
        out.attempts_made = out.last_attempt->attempt;
    }
    return out;
}

result<delivery_row> read_delivery(session::work& in, std::string const& account_id, delivery_id id) {
    constexpr int event_column = 1;
    auto const found = in.run(find_delivery, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->is_null(0, event_column))
        return failure{fault::not_found, "there is no such delivery"};
    return delivery_at(*found, 0, account_id);
}

sealed_secret secret_at(rows const& from, std::size_t row, int first_column) {
    auto const sealed = from.bytes(row, first_column + 1);
    return {from.id<secret_id>(row, first_column),
            {sealed.begin(), sealed.end()},
            std::string(from.text(row, first_column + 2)),
            time_at(from, row, first_column + 3),
            optional_time_at(from, row, first_column + 4)};
}

delivery_status status_after(policy::decision last) {
    switch (last) {
    case policy::decision::delivered:
        return delivery_status::delivered;
    case policy::decision::failed:
        return delivery_status::failed;
    case policy::decision::cancelled:
        return delivery_status::cancelled;
    case policy::decision::retry:
        break; // in the queue, that is: nobody asks
    }
    return delivery_status::pending;
}

std::optional<policy::decision> decision_of(delivery_status status) {
    switch (status) {
    case delivery_status::delivered:
        return policy::decision::delivered;
    case delivery_status::failed:
        return policy::decision::failed;
    case delivery_status::cancelled:
        return policy::decision::cancelled;
    case delivery_status::pending:
    case delivery_status::delivering:
        break;
    }
    return std::nullopt;
}

uuid first_id_at(wall_time at) {
    constexpr std::int64_t largest = (std::int64_t{1} << 48) - 1;
    auto ms = std::chrono::floor<milliseconds>(at).time_since_epoch().count();
    ms = std::clamp<std::int64_t>(ms, 0, largest);
    uuid out;
    for (std::size_t i = 0; i < 6; ++i)
        out.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    return out;
}

uuid last_id() {
    uuid out;
    out.bytes.fill(0xff);
    return out;
}

result<void> in_one_snapshot(session& on, std::function<result<void>(session::work&)> const& reads) {
    return on.transact([&](session::work& in) -> result<void> {
        if (auto set = in.run_text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"); !set)
            return set.error();
        return reads(in);
    });
}

result<void> check_webhook(session::work& in, std::string const& account_id, webhook_id id) {
    auto const found = in.run(find_webhook, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return failure{fault::not_found, "there is no such webhook"};
    return {};
}

} // namespace klen::webhooks::store
