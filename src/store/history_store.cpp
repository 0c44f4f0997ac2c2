#include "klen/webhooks/store/history_store.hpp"

#include "health.hpp"
#include "history.hpp"
#include "history_rows.hpp"
#include "jobs.hpp"
#include "lists.hpp"
#include "queueing.hpp"
#include "worker.hpp"

#include <algorithm>
#include <atomic>

namespace klen::webhooks::store {

namespace {

constexpr std::size_t calls_max = 256;

constexpr statement find_operational{
    "find_operational_events", "SELECT outbox_id, event_type, payload, " KLEN_TIME(
                                   "created_at") " FROM operational_outbox ORDER BY created_at LIMIT $1::integer"};
constexpr statement forget_published{"forget_operational_events",
                                     "DELETE FROM operational_outbox WHERE outbox_id = ANY ($1::text[]::uuid[])"};

result<std::vector<operational_event>> read_operational(session& on, std::uint32_t limit) {
    auto const found = on.run(find_operational, parameters().int4(static_cast<std::int32_t>(limit)));
    if (!found)
        return found.error();
    std::vector<operational_event> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.push_back({std::string(found->text(i, 0)), std::string(found->text(i, 1)), std::string(found->text(i, 2)),
                       time_at(*found, i, 3)});
    return out;
}

result<void> remove_operational(session& on, std::vector<std::string> ids) {
    std::ranges::sort(ids); // in one order everywhere: no deadlocks
    auto const done = on.run(forget_published, parameters().array(text_array(ids)));
    if (!done)
        return done.error();
    return {};
}

class real_history_store final : public history_store {
  public:
    real_history_store(connection_options const& options, std::uint32_t connections)
        : calls_(options, {.name = "history", .statement_timeout = options.statement_timeout, .ordered_plans = true},
                 std::max(connections, 1U), calls_max) {}

    void answer_within(milliseconds patience) override { patience_ = patience; }

    task<result<slice_of<delivery_row>>> list_deliveries(std::string account_id, webhook_id webhook,
                                                         delivery_filter filter) override {
        return call<slice_of<delivery_row>>(account_id, [account_id, webhook, filter = std::move(filter)](session& on) {
            return store::list_deliveries(on, account_id, webhook, filter);
        });
    }
    task<result<delivery_details>> show_delivery(std::string account_id, delivery_id id,
                                                 attempts_filter which) override {
        return call<delivery_details>(
            account_id, [account_id, id, which](session& on) { return read_details(on, account_id, id, which); });
    }
    task<result<slice_of<event_row>>> list_events(std::string account_id, event_filter filter) override {
        return call<slice_of<event_row>>(account_id, [account_id, filter = std::move(filter)](session& on) {
            return store::list_events(on, account_id, filter);
        });
    }
    task<result<event_details>> show_event(std::string account_id, event_id id,
                                           event_deliveries_filter which) override {
        return call<event_details>(
            account_id, [account_id, id, which](session& on) { return read_event(on, account_id, id, which); });
    }
    task<result<slice_of<delivery_row>>> event_deliveries(std::string account_id, event_id id,
                                                          delivery_filter filter) override {
        return call<slice_of<delivery_row>>(account_id, [account_id, id, filter = std::move(filter)](session& on) {
            return read_event_deliveries(on, account_id, id, filter);
        });
    }

    task<result<delivery_row>> resend(std::string account_id, delivery_id id, uuid which) override {
        return call<delivery_row>(
            account_id, [account_id, id, which](session& on) { return resend_delivery(on, account_id, id, which); });
    }
    task<result<delivery_row>> cancel(std::string account_id, delivery_id id) override {
        auto const begun = std::make_shared<bool>(false); // the worker may run it twice
        return call<delivery_row>(account_id, [account_id, id, begun](session& on) {
            return cancel_delivery(on, account_id, id, std::exchange(*begun, true));
        });
    }

    task<result<webhook_job>> begin_recover(std::string account_id, webhook_id webhook, recover_request what) override {
        return call<webhook_job>(account_id, [account_id, webhook, what](session& on) {
            return begin_recover_job(on, account_id, webhook, what);
        });
    }
    task<result<webhook_job>> begin_cancel(std::string account_id, webhook_id webhook, job_id id) override {
        return call<webhook_job>(account_id, [account_id, webhook, id](session& on) {
            return begin_cancel_job(on, account_id, webhook, id);
        });
    }
    task<result<webhook_job>> show_job(std::string account_id, job_id id) override {
        return call<webhook_job>(account_id, [account_id, id](session& on) { return read_job(on, account_id, id); });
    }
    task<result<std::vector<webhook_job>>> list_jobs(std::string account_id, webhook_id webhook,
                                                     std::uint32_t limit) override {
        return call<std::vector<webhook_job>>(account_id, [account_id, webhook, limit](session& on) {
            return read_jobs(on, account_id, webhook, limit);
        });
    }
    task<result<std::optional<job_step>>> step_job(job_plan how) override {
        return call<std::optional<job_step>>([how = std::move(how)](session& on) { return take_job_step(on, how); });
    }

    task<result<webhook_health>> health(std::string account_id, webhook_id webhook) override {
        return call<webhook_health>(
            account_id, [account_id, webhook](session& on) { return read_health(on, account_id, webhook); });
    }
    task<result<void>> add_health(health_batch batch) override {
        return call<void>([batch = std::move(batch)](session& on) { return write_health(on, batch); });
    }

    task<result<std::vector<operational_event>>> operational_events(std::uint32_t limit) override {
        return call<std::vector<operational_event>>([limit](session& on) { return read_operational(on, limit); });
    }
    task<result<void>> forget_operational(std::vector<std::string> outbox_ids) override {
        return call<void>([ids = std::move(outbox_ids)](session& on) { return remove_operational(on, ids); });
    }

  private:
    template <class T>
    task<result<T>> call(std::function<result<T>(session&)> job) {
        return calls_.call(std::move(job));
    }
    /// Counts for the account, which may not take all connections.
    template <class T>
    task<result<T>> call(std::string account_id, std::function<result<T>(session&)> job) {
        return calls_.call(std::move(job), {.account = std::move(account_id), .patience = patience_.load()});
    }

    worker calls_;
    std::atomic<milliseconds> patience_{
        milliseconds(0)}; ///< how long whoever calls waits for its answer; the daemon itself waits for ever
};

} // namespace

std::unique_ptr<history_store> make_history_store(connection_options const& options, std::uint32_t connections) {
    return std::make_unique<real_history_store>(options, connections);
}

} // namespace klen::webhooks::store
