#include "klen/webhooks/store/api_store.hpp"

#include "event_type_calls.hpp"
#include "idempotent_calls.hpp"
#include "key_calls.hpp"
#include "secret_calls.hpp"
#include "shared_answer.hpp"
#include "upkeep.hpp"
#include "webhook_calls.hpp"
#include "worker.hpp"

#include <algorithm>
#include <atomic>

namespace klen::webhooks::store {

namespace {

constexpr std::size_t jobs_max = 256;
constexpr milliseconds ping_time{1000};
constexpr milliseconds ping_fresh_for{250};

constexpr statement ask_time{"ask_time", "SELECT clock_timestamp()"};
constexpr statement ask_ping{"ping", "SELECT 1"};

result<changes> read_changes(session& on, std::string const& cursor) {
    auto const now = on.run(ask_time); // before the looks: what changes in between is seen next time as well
    if (!now)
        return now.error();
    changes out;
    out.cursor = now->text(0, 0);
    if (!cursor.empty()) {
        auto webhooks = webhooks_changed_since(on, cursor);
        if (!webhooks)
            return webhooks.error();
        out.webhooks = std::move(*webhooks);
    }
    // Last: whoever applies them remembers revoked keys only for so long, and a row must not be older than that.
    auto keys = cursor.empty() ? read_valid_keys(on) : keys_changed_since(on, cursor);
    if (!keys)
        return keys.error();
    out.api_keys = std::move(*keys);
    return out;
}

connection_options quick(connection_options options) {
    options.connect_timeout = std::min(options.connect_timeout, milliseconds(2000));
    return options;
}

/// Hands every call to the threads that may block. What a call does is in the functions named here.
class real_api_store final : public api_store {
  public:
    real_api_store(connection_options const& options, std::uint32_t connections)
        : calls_(options, {.name = "api", .statement_timeout = options.statement_timeout}, std::max(connections, 1U),
                 jobs_max),
          watch_(options, {.name = "watch", .statement_timeout = options.statement_timeout}, 1, 4),
          pings_(quick(options), {.name = "ready", .statement_timeout = ping_time}, 1, 1),
          upkeep_(options, {.name = "upkeep", .lock_timeout = upkeep_lock_timeout}, 1, 4) {}

    void answer_within(milliseconds patience) override { patience_ = patience; }

    task<result<webhook>> create_webhook(webhook w, sealed_secret secret, std::uint32_t per_account_max) override {
        if (w.id.value.is_nil())
            w.id = make_id<webhook_id>();
        auto account_id = w.account_id;
        return on_thread_of(std::move(account_id),
                            [w = std::move(w), secret = std::move(secret), per_account_max](session& on) {
                                return insert_webhook(on, w, secret, per_account_max);
                            });
    }
    task<result<page_of<webhook>>> list_webhooks(webhook_filter filter, page_request page) override {
        auto account_id = filter.account_id.value_or("");
        return on_thread_of(std::move(account_id), [filter = std::move(filter), page](session& on) {
            return find_webhooks(on, filter, page);
        });
    }
    task<result<webhook>> show_webhook(std::string account_id, webhook_id id) override {
        return on_thread_of(account_id, [account_id, id](session& on) { return read_webhook(on, account_id, id); });
    }
    task<result<webhook>> change_webhook(std::string account_id, webhook_id id, webhook_change what) override {
        return on_thread_of(account_id, [account_id, id, what = std::move(what)](session& on) {
            return update_webhook(on, account_id, id, what);
        });
    }
    task<result<void>> delete_webhook(std::string account_id, webhook_id id) override {
        // A repeat that finds it deleted did so itself.
        return on_thread_of(account_id, [account_id, id, repeated = false](session& on) mutable {
            auto const may_be_ours = std::exchange(repeated, true);
            return remove_webhook(on, account_id, id, may_be_ours);
        });
    }

    task<result<webhook>> show_secrets(std::string account_id, webhook_id id) override {
        return on_thread_of(account_id,
                            [account_id, id](session& on) { return read_with_secrets(on, account_id, id); });
    }
    task<result<webhook>> rotate_secret(std::string account_id, webhook_id id, sealed_secret fresh,
                                        seconds grace) override {
        return on_thread_of(account_id, [account_id, id, fresh = std::move(fresh), grace](session& on) {
            return replace_secret(on, account_id, id, fresh, grace);
        });
    }
    task<result<reseal_step>> reseal_secrets(secret_id after, std::uint32_t limit, std::string current_key_id,
                                             seal_again again) override {
        return as_long_as_it_takes([after, limit, key = std::move(current_key_id), again = std::move(again)](
                                       session& on) { return reseal_some(on, after, limit, key, again); });
    }

    task<result<api_key_row>> create_api_key(api_key_row key, std::uint32_t per_account_max) override {
        if (key.id.value.is_nil())
            key.id = make_id<api_key_id>();
        auto account_id = key.account_id.value_or("");
        return on_thread_of(std::move(account_id), [key = std::move(key), per_account_max](session& on) {
            return insert_key(on, key, per_account_max);
        });
    }
    task<result<std::vector<api_key_row>>> list_api_keys() override {
        return as_long_as_it_takes([](session& on) { return read_all_keys(on); });
    }
    task<result<page_of<api_key_row>>> list_api_keys(key_scope scope, page_request page) override {
        auto account_id = scope.value_or("");
        return on_thread_of(std::move(account_id),
                            [scope = std::move(scope), page](session& on) { return find_keys(on, scope, page); });
    }
    task<result<api_key_row>> show_api_key(key_scope scope, api_key_id id) override {
        auto account_id = scope.value_or("");
        return on_thread_of(std::move(account_id),
                            [scope = std::move(scope), id](session& on) { return read_key(on, scope, id); });
    }
    task<result<api_key_row>> revoke_api_key(key_scope scope, api_key_id id) override {
        auto account_id = scope.value_or("");
        return on_thread_of(std::move(account_id),
                            [scope = std::move(scope), id](session& on) { return revoke_key(on, scope, id); });
    }
    task<result<void>> note_key_use(std::vector<std::pair<api_key_id, wall_time>> used) override {
        return as_long_as_it_takes([used = std::move(used)](session& on) { return note_key_uses(on, used); });
    }

    task<result<std::vector<event_type_row>>> event_types(std::string for_account) override {
        return on_thread_of(std::move(for_account), [](session& on) { return read_event_types(on); });
    }
    task<result<event_type_row>> create_event_type(event_type_row type) override {
        return on_thread([type = std::move(type), repeated = false](session& on) mutable {
            auto const may_be_ours = std::exchange(repeated, true);
            return insert_event_type(on, type, may_be_ours);
        });
    }
    task<result<event_type_row>> change_event_type(std::string event_type, std::optional<std::string> description,
                                                   std::optional<std::string> sample) override {
        return on_thread([event_type = std::move(event_type), description = std::move(description),
                          sample = std::move(sample)](session& on) {
            return update_event_type(on, event_type, description, sample);
        });
    }
    task<result<void>> delete_event_type(std::string event_type) override {
        return on_thread([event_type = std::move(event_type), repeated = false](session& on) mutable {
            auto const may_be_ours = std::exchange(repeated, true);
            return remove_event_type(on, event_type, may_be_ours);
        });
    }

    task<result<idempotent_begin>> begin_idempotent(idempotent_call call) override {
        auto account_id = call.account_id;
        auto const fate = std::make_shared<job_fate>();
        std::function<result<idempotent_begin>(session&)> job = [call = std::move(call), fate](session& on) {
            auto taken = take_call(on, call);
            // Nobody will carry it out: whoever repeats it must not wait until it is old.
            if (fate->nobody_waits && taken && std::holds_alternative<uuid>(*taken))
                (void)release_call(on, call.scope, call.idempotency_key, call.resource_id);
            return taken;
        };
        return calls_.call(std::move(job),
                           {.account = std::move(account_id), .patience = patience_.load(), .fate = fate});
    }
    task<result<void>> finish_idempotent(idempotent_call call, idempotent_answer answer) override {
        auto account_id = call.account_id;
        return at_end_of_call(std::move(account_id), [call = std::move(call), answer = std::move(answer)](session& on) {
            return keep_answer(on, call.scope, call.idempotency_key, answer);
        });
    }
    task<result<void>> forget_idempotent(idempotent_call call) override {
        auto account_id = call.account_id;
        return at_end_of_call(std::move(account_id), releasing(std::move(call)));
    }
    void forget_idempotent_soon(idempotent_call call) override {
        auto account_id = call.account_id;
        // Not done: the call counts as under way for a minute.
        calls_.post<void>(releasing(std::move(call)), [](result<void> const&) {},
                          {.account = std::move(account_id), .is = admission::had});
    }

    task<result<changes>> changes_since(std::string cursor) override {
        std::function<result<changes>(session&)> job = [cursor = std::move(cursor)](session& on) {
            return read_changes(on, cursor);
        };
        return watch_.call(std::move(job));
    }
    task<result<void>> ping() override;
    task<result<std::vector<std::string>>> maintain(hours events_kept, hours idempotency_window) override {
        std::function<result<std::vector<std::string>>(session&)> job = [events_kept, idempotency_window](session& on) {
            return do_upkeep(on, events_kept, idempotency_window);
        };
        return upkeep_.call(std::move(job));
    }

    task<result<queue_condition>> look_at_queue() override {
        std::function<result<queue_condition>(session&)> job = [](session& on) { return store::look_at_queue(on); };
        return upkeep_.call(std::move(job));
    }

  private:
    void ask_for_ping();

    static std::function<result<void>(session&)> releasing(idempotent_call call) {
        return [call = std::move(call)](session& on) {
            return release_call(on, call.scope, call.idempotency_key, call.resource_id);
        };
    }

    /// The worker runs a job once more when its connection had died; a mutable one can tell.
    template <class Job>
    task<std::invoke_result_t<Job&, session&>> on_thread(Job job) {
        return on_thread_of({}, std::move(job));
    }

    /// The same for what the daemon or a command asks for: nobody waits at the other end of a connection.
    template <class Job>
    task<std::invoke_result_t<Job&, session&>> as_long_as_it_takes(Job job) {
        std::function<std::invoke_result_t<Job&, session&>(session&)> named = std::move(job);
        return calls_.call(std::move(named));
    }

    /// The same for an account, which may not take all connections. Empty: for nobody.
    template <class Job>
    task<std::invoke_result_t<Job&, session&>> on_thread_of(std::string account_id, Job job) {
        std::function<std::invoke_result_t<Job&, session&>(session&)> named = std::move(job);
        return calls_.call(std::move(named), {.account = std::move(account_id), .patience = patience_.load()});
    }

    /// The same for what ends a call that was let in: refused, it would leave the call under way for a minute.
    template <class Job>
    task<std::invoke_result_t<Job&, session&>> at_end_of_call(std::string account_id, Job job) {
        std::function<std::invoke_result_t<Job&, session&>(session&)> named = std::move(job);
        return calls_.call(std::move(named),
                           {.account = std::move(account_id), .is = admission::had, .patience = patience_.load()});
    }

    worker calls_;
    worker watch_; ///< a revoked key is to be seen within a second, whatever the calls are at
    shared_answer ping_answer_{{.fresh_for = ping_fresh_for, .patience = ping_time}}; ///< outlives who settles it
    worker pings_;
    worker upkeep_;
    std::atomic<milliseconds> patience_{milliseconds(0)}; ///< how long whoever calls waits for its answer
};

void real_api_store::ask_for_ping() {
    std::function<result<void>(session&)> job = [](session& on) -> result<void> {
        auto const answer = on.run(ask_ping);
        if (!answer)
            return answer.error();
        return {};
    };
    pings_.post<void>(std::move(job),
                      [this](result<void> const& got) { ping_answer_.settle(got, std::chrono::steady_clock::now()); });
}

/// Whichever comes first: the answer, or the end of the time. A late answer finds nobody and is dropped. Anybody may
/// probe, as often as they like: all that do at once share one question.
task<result<void>> real_api_store::ping() {
    one_shot<result<void>> first;
    auto const set = first.set();
    auto const ex = co_await asio::this_coro::executor;
    if (ping_answer_.join(set, std::chrono::steady_clock::now()))
        ask_for_ping();
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
