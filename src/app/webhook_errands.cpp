#include "app/webhook_errands.hpp"

#include <boost/system/system_error.hpp>

namespace klen::webhooks::app {

namespace {

constexpr std::chrono::seconds judge_bound{2};

/// One of the tests that may be under way at once.
class ticket {
  public:
    ticket(std::shared_ptr<std::atomic<std::uint32_t>> taken, std::uint32_t max)
        : taken_(std::move(taken)), granted_((*taken_)++ < max) {}
    ~ticket() { --*taken_; }
    ticket(ticket const&) = delete;
    ticket& operator=(ticket const&) = delete;
    bool granted() const { return granted_; }

  private:
    std::shared_ptr<std::atomic<std::uint32_t>> taken_;
    bool granted_;
};

dispatch::test_outcome not_sent(std::string message) {
    dispatch::test_outcome out;
    out.result.error = policy::error_class::local_failure;
    out.result.message = std::move(message);
    return out;
}

} // namespace

webhook_errands::webhook_errands(errand_parts parts) : parts_(std::move(parts)) {
    for (auto const& shard : parts_.shards)
        shards_.push_back(std::make_unique<place>(shard));
}

/// Runs `errand` on the next shard's executor. `interrupted`: its value when that shard stops first.
template <class T>
task<T> webhook_errands::run(std::function<task<T>(place&)> errand, T interrupted) {
    auto& at = *shards_[turn_.fetch_add(1, std::memory_order_relaxed) % shards_.size()];
    one_shot<T> ended;
    auto const set = ended.set();
    auto const otherwise = std::make_shared<T const>(std::move(interrupted));
    auto body = [&at, set, otherwise, errand = std::move(errand)]() -> task<void> {
        T out = *otherwise;
        try {
            out = co_await errand(at);
        } catch (boost::system::system_error const&) {
            // asked to end
        }
        set(std::move(out));
    };
    auto start = [&at, set, otherwise, body = std::move(body)] {
        if (!at.group.spawn(body))
            set(*otherwise);
    };
    asio::post(at.ex, std::move(start));
    auto out = co_await ended.wait();
    co_return out;
}

task<std::optional<std::string>> webhook_errands::judge_address(egress::target to) {
    auto const until = std::chrono::steady_clock::now() + judge_bound;
    std::function<task<std::optional<std::string>>(place&)> errand = [to, until](place& at) {
        return at.client->judge_target(to, until);
    };
    std::optional<std::string> interrupted;
    auto out = co_await run<std::optional<std::string>>(std::move(errand), std::move(interrupted));
    co_return out;
}

task<dispatch::test_outcome> webhook_errands::send_test(dispatch::test_request what) {
    ticket const mine(tests_, parts_.tests_max);
    if (!mine.granted())
        co_return not_sent("as many tests as this daemon sends at once are under way: try again in a moment");
    auto const request = std::make_shared<dispatch::test_request const>(std::move(what));
    std::function<task<dispatch::test_outcome>(place&)> errand = [this, request](place& at) {
        dispatch::test_environment with;
        with.client = at.client;
        with.seals = parts_.seals;
        with.time = &system_clock();
        with.urls = parts_.urls;
        with.delivery = parts_.delivery;
        return dispatch::send_test(std::move(with), *request);
    };
    auto interrupted = not_sent("this daemon is shutting down: try again");
    auto out = co_await run<dispatch::test_outcome>(std::move(errand), std::move(interrupted));
    co_return out;
}

task<void> webhook_errands::stop(std::size_t shard) {
    auto& at = *shards_[shard];
    at.group.cancel();
    co_await at.group.wait_empty();
}

} // namespace klen::webhooks::app
