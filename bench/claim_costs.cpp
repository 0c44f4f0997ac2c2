#include "claim_costs.hpp"

#include "kit/cpu.hpp"
#include "kit/store_setup.hpp"
#include "kit/times.hpp"

#include "app/blocking.hpp"
#include "klen/webhooks/base/settings.hpp"

#include <algorithm>
#include <unistd.h>

namespace klen::bench {

namespace kw = klen::webhooks;
namespace store = kw::store;

namespace {

constexpr std::uint32_t batch = 500;
constexpr std::size_t due_max = 50'000;
constexpr std::string_view first_webhook = "00000000-0000-7000-8000-000000000000";

} // namespace

boost::json::object claim_cost::to_json() const { return {{"ms", bench::to_json(time)}, {"postgres_us", postgres_us}}; }

claim_costs::claim_costs(std::string const& url, std::size_t claims)
    : link_(url), claims_(claims), queue_(store::make_delivery_store({.url = url}, kw::default_config().delivery)) {
    io_.start();
    owner_ = must(kw::app::wait_for<kw::result<kw::instance_id>>(
        io_.at(0), [this] { return queue_->register_instance("bench"); }));
}

claim_costs::~claim_costs() {
    // Best effort: the next daemon reaps what is left.
    kw::app::wait_for<kw::result<std::uint64_t>>(io_.at(0), [this] { return queue_->leave(owner_); });
}

claim_costs::claimed claim_costs::claim_due() {
    return must(kw::app::wait_for<kw::result<store::due_result>>(io_.at(0),
                                                                 [this] {
                                                                     return queue_->claim_due({owner_, batch, {}});
                                                                 }))
        .deliveries;
}

claim_costs::claimed claim_costs::claim_parked() {
    std::vector<store::lane_room> const rooms{{*kw::webhook_id::parse(first_webhook), batch}};
    return must(kw::app::wait_for<kw::result<store::parked_result>>(
                    io_.at(0), [this, &rooms] { return queue_->claim_parked(owner_, rooms); }))
        .deliveries;
}

void claim_costs::give_back(std::vector<kw::delivery_id> all, bool parked) {
    must(kw::app::wait_for<kw::result<void>>(
        io_.at(0), [this, all = std::move(all), parked] { return queue_->hand_back(owner_, all, parked); }));
    // Dead entries at the head of an index are not what is measured.
    link_.run("VACUUM deliveries");
}

latency_summary claim_costs::nothing_due() {
    std::vector<std::int64_t> times;
    for (std::size_t i = 0; i < claims_; ++i) {
        auto const began = now_ns();
        if (!claim_due().empty())
            throw std::runtime_error("something is due that should not be");
        times.push_back(now_ns() - began);
    }
    return summary_of(std::move(times));
}

claim_cost claim_costs::measure(std::function<claimed()> const& claim, bool parked) {
    std::vector<std::int64_t> times;
    double cpu = 0;
    std::size_t got = 0;
    while (times.size() < claims_) {
        std::vector<kw::delivery_id> taken;
        auto const before = cpu_of_family(getpid()).postgres;
        while (times.size() < claims_ && taken.size() + batch <= due_) {
            auto const began = now_ns();
            auto const found = claim();
            times.push_back(now_ns() - began);
            if (found.size() != batch)
                throw std::runtime_error("a claim found " + std::to_string(found.size()) + " deliveries");
            for (auto const& one : found)
                taken.push_back(one.id);
        }
        cpu += cpu_of_family(getpid()).postgres - before;
        got += taken.size();
        give_back(std::move(taken), parked);
    }
    return {summary_of(std::move(times)), cpu / static_cast<double>(got) * 1e6};
}

claim_cost claim_costs::due(std::size_t waiting, order how) {
    due_ = std::min(waiting / 2, due_max);
    if (due_ < batch)
        throw std::runtime_error("to measure claims, a thousand deliveries must wait");
    auto const limit = " LIMIT " + std::to_string(due_) + ")";
    if (how == order::as_they_came) {
        // A retry that is due in two to four hours is then due since up to four.
        link_.run("UPDATE deliveries SET next_attempt_at = next_attempt_at - interval '6 hours' WHERE delivery_id IN"
                  " (SELECT delivery_id FROM deliveries ORDER BY next_attempt_at" +
                  limit);
    } else {
        // A few too many, and then exactly so many.
        auto const percent = std::min(100.0, 120.0 * static_cast<double>(due_) / static_cast<double>(waiting) + 0.01);
        link_.run("UPDATE deliveries SET next_attempt_at = now() - random() * interval '1 hour' WHERE delivery_id IN"
                  " (SELECT delivery_id FROM deliveries TABLESAMPLE BERNOULLI (" +
                  std::to_string(percent) + ")" + limit);
    }
    due_ = static_cast<std::size_t>(link_.number("SELECT count(*) FROM deliveries WHERE next_attempt_at < now()"));
    link_.run("VACUUM ANALYZE deliveries");
    return measure([this] { return claim_due(); }, false);
}

claim_cost claim_costs::parked() {
    link_.run("UPDATE deliveries SET parked = true WHERE next_attempt_at < now()");
    link_.run("VACUUM ANALYZE deliveries");
    return measure([this] { return claim_parked(); }, true);
}

} // namespace klen::bench
