#include "parts.hpp"

#include "kit/cpu.hpp"
#include "kit/events.hpp"
#include "kit/store_setup.hpp"
#include "kit/times.hpp"

#include "app/blocking.hpp"
#include "app/io_threads.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <unistd.h>

namespace klen::bench {

namespace kw = klen::webhooks;
namespace store = kw::store;

namespace {

constexpr std::size_t batch = 100;
/// Deliveries that are somewhere between their event's submission and their record: enough that neither connection
/// ever waits for the other.
constexpr std::size_t under_way = 8 * batch;

/// Takes the deliveries from the event writer, as the lanes do.
class taker final : public store::lane_gate {
  public:
    explicit taker(kw::instance_id owner) : owner_(owner) {}

    grant current_grant(std::span<std::string_view const> /*accounts*/) override { return {owner_, 1'000'000, {}}; }
    void take(kw::instance_id /*owner*/, std::vector<store::claimed_delivery> deliveries) override {
        {
            std::lock_guard lock(mutex_);
            for (auto& one : deliveries)
                taken_.push_back(std::move(one));
        }
        changed_.notify_one();
    }
    void note_parked(std::vector<kw::webhook_id> /*webhooks*/) override {}

    std::vector<store::claimed_delivery> next_batch() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return taken_.size() >= batch; });
        std::vector<store::claimed_delivery> out(std::make_move_iterator(taken_.end() - batch),
                                                 std::make_move_iterator(taken_.end()));
        taken_.resize(taken_.size() - batch);
        return out;
    }

  private:
    kw::instance_id owner_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<store::claimed_delivery> taken_;
};

store::attempt_record delivered(store::claimed_delivery const& one) {
    store::attempt_record out;
    out.delivery = one.id;
    out.event = one.event_of;
    out.webhook = one.webhook;
    out.account_id = one.account_id;
    out.attempt = 1;
    out.ended = std::chrono::steady_clock::now();
    out.started = out.ended - kw::milliseconds(1);
    out.result.status = 200;
    out.result.duration = kw::milliseconds(1);
    out.result.remote_address = "127.0.1.1:443";
    out.result.response_headers = "Server: nginx\r\nContent-Length: 0\r\n";
    out.verdict.what = kw::policy::decision::delivered;
    out.event_type = one.event->event_type;
    out.signed_at = 1'700'000'000;
    return out;
}

/// Events in, outcomes back, as many as time allows.
class lifecycle {
  public:
    lifecycle(store_part const& what, store::connection_options const& at)
        : what_(what), queue_(store::make_delivery_store(at, kw::default_config().delivery)) {
        io_.start();
        owner_ = must(kw::app::wait_for<kw::result<kw::instance_id>>(
            io_.at(0), [this] { return queue_->register_instance("bench"); }));
        gate_.emplace(owner_);
        auto limits = kw::default_config().intake;
        limits.batch_events_max = static_cast<std::uint32_t>(batch / what.fan_out);
        writer_ = store::event_writer::create(at, limits, *gate_);
        body_ = R"({"event_type":"call.ended","call":{"pad":")" + prose(what.body_bytes) + R"("}})";
        body_.resize(what.body_bytes);
    }
    ~lifecycle() { writer_->stop(); }
    lifecycle(lifecycle const&) = delete;
    lifecycle& operator=(lifecycle const&) = delete;

    void begin() { submit(under_way / what_.fan_out); }
    /// One batch of outcomes, and as many deliveries anew.
    void step() {
        std::vector<store::attempt_record> outcomes;
        outcomes.reserve(batch);
        for (auto const& one : gate_->next_batch())
            outcomes.push_back(delivered(one));
        auto const done = must(kw::app::wait_for<kw::result<store::record_result>>(
            io_.at(0), [&] { return queue_->record(owner_, std::move(outcomes)); }));
        if (!done.lost.empty())
            throw std::runtime_error("the store part lost leases");
        submit(batch / what_.fan_out);
    }

  private:
    void submit(std::size_t events) {
        for (std::size_t i = 0; i < events; ++i) {
            auto const account = account_name(submitted_++ % (what_.webhooks / what_.fan_out));
            auto event = std::make_shared<kw::accepted_event const>(
                kw::accepted_event{kw::make_id<kw::event_id>(), account, "call.ended", body_, ""});
            writer_->submit({std::move(event), {}, {}}, [](kw::result<store::publish_receipt> const& got) {
                if (!got)
                    std::fprintf(stderr, "store part: %s\n", got.error().message.c_str());
            });
        }
    }

    store_part what_;
    kw::app::io_threads io_{"store", 1};
    std::unique_ptr<store::delivery_store> queue_;
    kw::instance_id owner_;
    std::optional<taker> gate_;
    std::unique_ptr<store::event_writer> writer_;
    std::string body_;
    std::size_t submitted_ = 0;
};

} // namespace

part_cost measure_store(store_part const& what, scratch_dir const& in) {
    auto const server = start_database(in.make("store"));
    database_link link(server->url());
    fill_log(link);
    insert_webhooks(link, what.webhooks, what.fan_out);
    lifecycle life(what, {.url = server->url()});
    life.begin();
    for (auto const warm = now_ns(); seconds_since(warm) < 1;)
        life.step();

    auto const began = now_ns();
    auto const own = cpu_of_this_process();
    auto const postgres = cpu_of_family(getpid()).postgres;
    std::size_t deliveries = 0;
    for (; seconds_since(began) < what.seconds; deliveries += batch)
        life.step();
    auto const items = static_cast<double>(deliveries);
    part_cost out;
    out.per_second = items / seconds_since(began);
    out.daemon_us = (cpu_of_this_process() - own) / items * 1e6;
    out.postgres_us = (cpu_of_family(getpid()).postgres - postgres) / items * 1e6;
    return out;
}

} // namespace klen::bench
