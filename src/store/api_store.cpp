#include "klen/webhooks/store/api_store.hpp"

#include "history.hpp"
#include "upkeep.hpp"
#include "webhook_rows.hpp"
#include "worker.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

constexpr std::size_t jobs_max = 256;
constexpr milliseconds ping_time{1000};

// Repeatable: a second run of the same insert finds its row and changes nothing.
constexpr statement add_webhook{
    "add_webhook",
    "INSERT INTO webhooks (webhook_id, account_id, name, url, description, subscribed_events, headers, metadata,"
    "  max_concurrency, max_rate_per_second, enabled, disabled_reason, disabled_at)"
    " VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text[], $7::text::json, $8::text::json,"
    "  ($9::integer[])[1], ($10::integer[])[1], $11::boolean, CASE WHEN NOT $11::boolean THEN 'requested' END,"
    "  CASE WHEN NOT $11::boolean THEN clock_timestamp() END)"
    " ON CONFLICT DO NOTHING"};
constexpr statement add_secret{"add_secret",
                               "INSERT INTO webhook_secrets (secret_id, webhook_id, sealed, key_id)"
                               " VALUES ($1::uuid, $2::uuid, $3::bytea, $4::text) ON CONFLICT DO NOTHING"};
constexpr statement show_one{"show_webhook", "SELECT " KLEN_WEBHOOK_COLUMNS " FROM webhooks w"
                                             " WHERE w.webhook_id = $2::uuid AND w.account_id = $1::text"
                                             " AND w.deleted_at IS NULL"};
constexpr statement list_some{"list_webhooks", "SELECT " KLEN_WEBHOOK_COLUMNS " FROM webhooks w"
                                               " WHERE w.account_id = $1::text AND w.deleted_at IS NULL"
                                               " ORDER BY w.webhook_id DESC LIMIT $2::bigint OFFSET $3::bigint"};
constexpr statement count_all{"count_webhooks",
                              "SELECT count(*) FROM webhooks WHERE account_id = $1::text AND deleted_at IS NULL"};
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

#define KLEN_KEY_COLUMNS                                                                                               \
    "api_key_id, account_id, name, hash, hint, permissions, revoked_at IS NOT NULL, " KLEN_TIME("created_at")
constexpr statement add_key{"add_api_key",
                            "INSERT INTO api_keys (api_key_id, account_id, name, hash, hint, permissions)"
                            " VALUES ($1::uuid, ($2::text[])[1], $3::text, $4::bytea, $5::text, $6::text[])"
                            " ON CONFLICT (api_key_id) DO NOTHING"};
constexpr statement show_key{"show_api_key", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys WHERE api_key_id = $1::uuid"};
constexpr statement list_keys{"list_api_keys", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys ORDER BY api_key_id"};

// Looks back a little further than the last time: a change is dated before its commit, so one that was not to be seen
// then may be older than that look.
constexpr statement changed_webhooks{
    "changed_webhooks", "SELECT webhook_id, revision FROM webhooks"
                        " WHERE changed_at > $1::text::timestamptz - interval '10 seconds' ORDER BY changed_at"};
constexpr statement changed_keys{
    "changed_api_keys", "SELECT " KLEN_KEY_COLUMNS " FROM api_keys"
                        " WHERE changed_at > $1::text::timestamptz - interval '10 seconds' ORDER BY changed_at"};
constexpr statement ask_time{"ask_time", "SELECT clock_timestamp()"};
constexpr statement list_types{"list_event_types", "SELECT event_type FROM event_types ORDER BY event_type"};
constexpr statement ask_ping{"ping", "SELECT 1"};

binary_array optional_int(std::optional<int> const& value) {
    binary_array out(pg_type::int4);
    if (value)
        out.add_int4(*value);
    else
        out.add_null();
    return out;
}

binary_array optional_text(std::optional<std::string> const& value) {
    binary_array out(pg_type::text);
    if (value)
        out.add(std::string_view(*value));
    else
        out.add_null();
    return out;
}

failure no_webhook() { return {fault::not_found, "there is no such webhook"}; }

api_key_row key_at(rows const& from, std::size_t row) {
    api_key_row out;
    out.id = from.id<api_key_id>(row, 0);
    if (!from.is_null(row, 1))
        out.account_id = from.text(row, 1);
    out.name = from.text(row, 2);
    auto const hash = from.bytes(row, 3);
    if (hash.size() == out.hash.size())
        std::ranges::copy(as_bytes(hash), out.hash.begin());
    out.hint = from.text(row, 4);
    out.permissions = parse_text_array(from.text(row, 5));
    out.revoked = from.boolean(row, 6);
    out.created_at = time_at(from, row, 7);
    return out;
}

std::vector<api_key_row> keys_of(rows const& from) {
    std::vector<api_key_row> out;
    for (std::size_t i = 0; i < from.size(); ++i)
        out.push_back(key_at(from, i));
    return out;
}

result<webhook> read_webhook(session& on, std::string const& account_id, webhook_id id) {
    auto const found = on.run(show_one, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return no_webhook();
    return webhook_at(*found, 0);
}

result<webhook> insert_webhook(session& on, webhook const& w, sealed_secret const& secret) {
    auto const done = on.transact([&](session::work& in) -> result<void> {
        parameters with;
        with.id(w.id).text(w.account_id).text(w.name).text(w.url).text(w.description);
        with.array(text_array(w.subscribed_events)).text(headers_json(w.headers)).text(w.metadata);
        with.array(optional_int(w.max_concurrency)).array(optional_int(w.max_rate_per_second)).boolean(w.enabled);
        if (auto added = in.run(add_webhook, with); !added)
            return added.error();
        auto const added =
            in.run(add_secret, parameters().id(secret.id).id(w.id).bytes(secret.sealed).text(secret.key_id));
        if (!added)
            return added.error();
        return {};
    });
    if (!done)
        return done.error();
    return read_webhook(on, w.account_id, w.id);
}

result<page_of<webhook>> read_page(session& on, std::string const& account_id, page_request page) {
    auto const counted = on.run(count_all, parameters().text(account_id));
    if (!counted)
        return counted.error();
    std::int64_t const skipped = std::int64_t{std::max(page.page, 1U) - 1} * page.limit;
    auto const found = on.run(list_some, parameters().text(account_id).int8(page.limit).int8(skipped));
    if (!found)
        return found.error();
    page_of<webhook> out;
    out.count = static_cast<std::uint64_t>(counted->int8(0, 0));
    for (std::size_t i = 0; i < found->size(); ++i)
        out.items.push_back(webhook_at(*found, i));
    return out;
}

result<void> remove_webhook(session& on, std::string const& account_id, webhook_id id) {
    return on.transact([&](session::work& in) -> result<void> {
        auto const marked = in.run(mark_deleted, parameters().text(account_id).id(id));
        if (!marked)
            return marked.error();
        if (marked->affected() == 0)
            return no_webhook();
        if (auto unparked = in.run(unpark_some, parameters().id(id)); !unparked)
            return unparked.error();
        return {};
    });
}

result<api_key_row> insert_key(session& on, api_key_row const& key) {
    parameters with;
    with.id(key.id).array(optional_text(key.account_id)).text(key.name);
    with.bytes(key.hash).text(key.hint).array(text_array(key.permissions));
    if (auto added = on.run(add_key, with); !added)
        return added.error();
    auto const found = on.run(show_key, parameters().id(key.id));
    if (!found)
        return found.error();
    if (found->empty())
        return failure{fault::not_found, "the key was removed just now"};
    return key_at(*found, 0);
}

result<changes> read_changes(session& on, std::string const& cursor) {
    auto const now = on.run(ask_time); // before the looks: what changes in between is seen next time as well
    if (!now)
        return now.error();
    changes out;
    out.cursor = now->text(0, 0);
    auto const keys = cursor.empty() ? on.run(list_keys) : on.run(changed_keys, parameters().text(cursor));
    if (!keys)
        return keys.error();
    out.api_keys = keys_of(*keys);
    if (cursor.empty())
        return out;
    auto const webhooks = on.run(changed_webhooks, parameters().text(cursor));
    if (!webhooks)
        return webhooks.error();
    for (std::size_t i = 0; i < webhooks->size(); ++i)
        out.webhooks.emplace_back(webhooks->id<webhook_id>(i, 0), webhooks->int8(i, 1));
    return out;
}

result<std::vector<std::string>> read_event_types(session& on) {
    auto const found = on.run(list_types);
    if (!found)
        return found.error();
    std::vector<std::string> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.emplace_back(found->text(i, 0));
    return out;
}

connection_options quick(connection_options options) {
    options.connect_timeout = std::min(options.connect_timeout, milliseconds(2000));
    return options;
}

class real_api_store final : public api_store {
  public:
    real_api_store(connection_options const& options, std::uint32_t connections)
        : calls_(options, {.name = "api", .statement_timeout = options.statement_timeout}, std::max(connections, 1U),
                 jobs_max),
          pings_(quick(options), {.name = "ready", .statement_timeout = ping_time}, 1, 16),
          upkeep_(options, {.name = "upkeep", .lock_timeout = upkeep_lock_timeout}, 1, 4) {}

    task<result<webhook>> create_webhook(webhook w, sealed_secret secret) override {
        if (w.id.value.is_nil())
            w.id = make_id<webhook_id>();
        std::function<result<webhook>(session&)> job = [w = std::move(w), secret = std::move(secret)](session& on) {
            return insert_webhook(on, w, secret);
        };
        return calls_.call(std::move(job));
    }
    task<result<page_of<webhook>>> list_webhooks(std::string account_id, page_request page) override {
        std::function<result<page_of<webhook>>(session&)> job = [account_id, page](session& on) {
            return read_page(on, account_id, page);
        };
        return calls_.call(std::move(job));
    }
    task<result<webhook>> show_webhook(std::string account_id, webhook_id id) override {
        std::function<result<webhook>(session&)> job = [account_id, id](session& on) {
            return read_webhook(on, account_id, id);
        };
        return calls_.call(std::move(job));
    }
    task<result<void>> delete_webhook(std::string account_id, webhook_id id) override {
        std::function<result<void>(session&)> job = [account_id, id](session& on) {
            return remove_webhook(on, account_id, id);
        };
        return calls_.call(std::move(job));
    }
    task<result<event_row>> show_event(std::string account_id, event_id id) override {
        std::function<result<event_row>(session&)> job = [account_id, id](session& on) {
            return read_event(on, account_id, id);
        };
        return calls_.call(std::move(job));
    }
    task<result<api_key_row>> create_api_key(api_key_row key) override {
        if (key.id.value.is_nil())
            key.id = make_id<api_key_id>();
        std::function<result<api_key_row>(session&)> job = [key = std::move(key)](session& on) {
            return insert_key(on, key);
        };
        return calls_.call(std::move(job));
    }
    task<result<std::vector<api_key_row>>> list_api_keys() override {
        std::function<result<std::vector<api_key_row>>(session&)> job =
            [](session& on) -> result<std::vector<api_key_row>> {
            auto const found = on.run(list_keys);
            if (!found)
                return found.error();
            return keys_of(*found);
        };
        return calls_.call(std::move(job));
    }
    task<result<changes>> changes_since(std::string cursor) override {
        std::function<result<changes>(session&)> job = [cursor = std::move(cursor)](session& on) {
            return read_changes(on, cursor);
        };
        return calls_.call(std::move(job));
    }
    task<result<std::vector<std::string>>> event_types() override {
        std::function<result<std::vector<std::string>>(session&)> job = [](session& on) {
            return read_event_types(on);
        };
        return calls_.call(std::move(job));
    }
    task<result<void>> ping() override;
    task<result<std::vector<std::string>>> maintain(hours events_kept, hours idempotency_window) override {
        std::function<result<std::vector<std::string>>(session&)> job = [events_kept, idempotency_window](session& on) {
            return do_upkeep(on, events_kept, idempotency_window);
        };
        return upkeep_.call(std::move(job));
    }

  private:
    worker calls_;
    worker pings_;
    worker upkeep_;
};

/// Whichever comes first: the answer, or the end of the time. A late answer finds nobody and is dropped.
task<result<void>> real_api_store::ping() {
    std::function<result<void>(session&)> job = [](session& on) -> result<void> {
        auto const answer = on.run(ask_ping);
        if (!answer)
            return answer.error();
        return {};
    };
    one_shot<result<void>> first;
    auto const set = first.set();
    auto const ex = co_await asio::this_coro::executor;
    pings_.post<void>(std::move(job), [set](result<void> got) { set(std::move(got)); });
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor> limit(
        ex, ping_time);
    limit.async_wait([set](boost::system::error_code error) {
        if (!error)
            set(failure{fault::connection_lost, "the database did not answer within a second"});
    });
    auto waiting = first.wait();
    auto got = co_await std::move(waiting);
    co_return got;
}

} // namespace

std::unique_ptr<api_store> make_api_store(connection_options const& options, std::uint32_t connections) {
    return std::make_unique<real_api_store>(options, connections);
}

} // namespace klen::webhooks::store
