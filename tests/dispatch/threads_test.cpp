#include "dispatch/model_store.hpp"
#include "dispatch/scripted_client.hpp"
#include "dispatch/virtual_node.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::testing {
namespace {

/// The real thing's shape: a coordinator and io threads of their own, real timers. For ThreadSanitizer.
class io_thread {
  public:
    io_thread() : work_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
    ~io_thread() {
        work_.reset();
        io_.stop();
        thread_.join();
    }
    io_thread(io_thread const&) = delete;
    io_thread& operator=(io_thread const&) = delete;
    executor ex() { return io_.get_executor(); }

  private:
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;
};

/// A database that has every webhook, takes every record and what is handed back, and is locked.
class plain_store : public store::delivery_store {
  public:
    explicit plain_store(store::webhook with) : with_(std::move(with)) {}

    /// What is about to be given to the dispatcher: a lane that makes no progress for a while, on a slow machine, hands
    /// it back.
    void keep(std::vector<store::claimed_delivery> const& given) {
        std::lock_guard lock(mutex_);
        for (auto const& d : given)
            given_.emplace(d.id, d);
    }

    bool wait_for_records(std::size_t count) {
        std::unique_lock lock(mutex_);
        return grown_.wait_for(lock, std::chrono::seconds(30), [&] { return recorded_.size() >= count; });
    }
    std::vector<store::attempt_record> recorded() {
        std::lock_guard lock(mutex_);
        return recorded_;
    }

    task<result<instance_id>> register_instance(std::string) override { co_return instance_id{1}; }
    task<result<void>> heartbeat(instance_id) override {
        result<void> well;
        co_return well;
    }
    task<result<std::vector<policy::instance_sighting>>> instances() override {
        co_return std::vector<policy::instance_sighting>{};
    }
    task<result<std::optional<std::uint64_t>>> reap(policy::instance_sighting) override {
        co_return std::optional<std::uint64_t>{};
    }
    task<result<std::uint64_t>> leave(instance_id) override { co_return std::uint64_t{0}; }
    task<result<store::due_result>> claim_due(store::due_request what) override {
        std::lock_guard lock(mutex_);
        store::due_result out;
        out.deliveries = take_some(due_, what.limit);
        if (!due_.empty())
            out.next_due = milliseconds(0);
        co_return out;
    }
    task<result<store::parked_result>> claim_parked(instance_id, std::vector<store::lane_room> rooms) override {
        std::lock_guard lock(mutex_);
        store::parked_result out;
        for (auto const& r : rooms) {
            auto& waiting = parked_[r.webhook];
            for (auto& d : take_some(waiting, r.room))
                out.deliveries.push_back(std::move(d));
            if (waiting.empty())
                out.exhausted.push_back(r.webhook);
        }
        co_return out;
    }
    task<result<std::vector<webhook_id>>> parked_webhooks(webhook_id, std::uint32_t) override {
        std::lock_guard lock(mutex_);
        std::vector<webhook_id> out;
        for (auto const& [webhook, waiting] : parked_)
            if (!waiting.empty())
                out.push_back(webhook);
        co_return out;
    }
    task<result<void>> hand_back(instance_id, std::vector<delivery_id> ids, bool parked) override {
        std::lock_guard lock(mutex_);
        for (auto const& id : ids) {
            auto const& d = given_.at(id);
            (parked ? parked_[d.webhook] : due_).push_back(d);
        }
        result<void> well;
        co_return well;
    }
    task<result<store::record_result>> record(instance_id, std::vector<store::attempt_record> batch) override {
        std::lock_guard lock(mutex_);
        recorded_.insert(recorded_.end(), batch.begin(), batch.end());
        grown_.notify_all();
        co_return store::record_result{};
    }
    task<result<std::vector<store::webhook>>> load_webhooks(std::vector<webhook_id> ids) override {
        std::vector<store::webhook> out;
        for (auto const& id : ids) {
            out.push_back(with_);
            out.back().id = id;
        }
        co_return out;
    }

  private:
    using deliveries = std::vector<store::claimed_delivery>;

    static deliveries take_some(deliveries& from, std::uint32_t limit) {
        auto const count = std::min<std::size_t>(from.size(), limit);
        auto const first = from.end() - static_cast<std::ptrdiff_t>(count);
        deliveries out(std::make_move_iterator(first), std::make_move_iterator(from.end()));
        from.erase(first, from.end());
        return out;
    }

    store::webhook with_;
    std::mutex mutex_;
    std::unordered_map<delivery_id, store::claimed_delivery> given_;
    std::map<webhook_id, deliveries> parked_;
    deliveries due_;
    std::condition_variable grown_;
    std::vector<store::attempt_record> recorded_;
};

class ready_client : public egress::http_client {
  public:
    explicit ready_client(executor ex) : ex_(std::move(ex)) {}
    task<policy::attempt_result> post(egress::post_request) override {
        asio::steady_timer soon(ex_, std::chrono::microseconds(100));
        co_await soon.async_wait(use_task);
        policy::attempt_result out;
        out.status = 200;
        co_return out;
    }

  private:
    executor ex_;
};

template <class T>
T on_thread(executor ex, task<T> what) {
    std::promise<T> done;
    auto told = done.get_future();
    asio::co_spawn(ex, std::move(what), [&done](std::exception_ptr, T value) { done.set_value(std::move(value)); });
    return told.get();
}
void on_thread(executor ex, task<void> what) {
    std::promise<void> done;
    auto told = done.get_future();
    asio::co_spawn(ex, std::move(what), [&done](std::exception_ptr) { done.set_value(); });
    told.get();
}

TEST(threads, hand_deliveries_to_one_another_and_lose_none) {
    log::set_level(log::level::off);
    auto const seals = signing::sealer::create(signing::generate_master_key(), "k1").value();
    auto const secret = signing::secret::generate();
    store::webhook with;
    with.account_id = "acme";
    with.url = "https://a.example/hook";
    with.secrets.resize(1);
    with.secrets[0].id = make_id<secret_id>();
    with.secrets[0].key_id = "k1";
    with.secrets[0].sealed = seals.seal(secret.text(), {"webhook_secrets", with.secrets[0].id.value, "acme"});
    plain_store database(with);

    constexpr std::size_t count = 3000;
    {
        io_thread coordinator, first, second;
        ready_client first_client(first.ex()), second_client(second.ex());
        dispatch::dispatch_environment env;
        env.coordinator = coordinator.ex();
        env.shards = {{first.ex(), &first_client}, {second.ex(), &second_client}};
        env.store = &database;
        env.time = &system_clock();
        env.seals = &seals;
        env.sleep_until = dispatch::timer_sleep();
        env.random = [] { return 0.5; };
        auto options = usual_options();
        options.dispatch.lane_queue_max = 4000;
        options.dispatch.heartbeat_interval = milliseconds(20);
        options.dispatch.poll_interval = milliseconds(10);
        auto const dispatcher = dispatch::dispatcher::create(options, env);
        ASSERT_TRUE(on_thread(coordinator.ex(), dispatcher->start()).has_value());

        std::vector<webhook_id> hooks;
        for (int i = 0; i < 10; ++i)
            hooks.push_back(make_id<webhook_id>());
        auto const event = std::make_shared<accepted_event const>();
        std::size_t given = 0;
        while (given < count) {
            auto const grant = dispatcher->current_grant({});
            ASSERT_EQ(grant.owner.value, 1);
            std::vector<store::claimed_delivery> batch;
            for (std::uint32_t i = 0; i < 50 && i < grant.deliveries_max && given < count; ++i, ++given) {
                store::claimed_delivery d;
                d.id = make_id<delivery_id>();
                d.webhook = hooks[given % hooks.size()];
                d.event = event;
                d.account_id = "acme";
                batch.push_back(std::move(d));
            }
            database.keep(batch);
            dispatcher->take(grant.owner, std::move(batch));
            dispatcher->note_parked({hooks[given % hooks.size()]});
            dispatcher->webhook_changed(hooks[given % hooks.size()]);
            (void)dispatcher->stats();
            (void)dispatcher->healthy();
        }
        EXPECT_TRUE(database.wait_for_records(count));
        on_thread(coordinator.ex(), dispatcher->stop());
        EXPECT_EQ(dispatcher->stats().in_memory, 0U);
        EXPECT_EQ(dispatcher->stats().delivered, count);
    }
    EXPECT_EQ(database.recorded().size(), count);
}

} // namespace
} // namespace klen::webhooks::testing
