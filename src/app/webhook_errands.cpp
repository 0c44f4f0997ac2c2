#include "app/webhook_errands.hpp"

#include <boost/system/system_error.hpp>

namespace klen::webhooks::app {

namespace {

constexpr std::chrono::seconds judge_bound{2};

failure refusal(errand_gate::answer why, std::string const& what) {
    if (why == errand_gate::answer::account_is_full)
        return {fault::over_limit,
                "as many " + what + " of this account as may be at once are under way: try again in a moment"};
    return {fault::overloaded,
            "as many " + what + " as this daemon makes at once are under way: try again in a moment"};
}

} // namespace

webhook_errands::webhook_errands(errand_parts parts)
    : parts_(std::move(parts)), tests_(std::make_shared<errand_gate>(parts_.tests)),
      address_checks_(std::make_shared<errand_gate>(parts_.address_checks)) {
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

task<result<std::optional<std::string>>> webhook_errands::judge_address(std::string account_id, egress::target to) {
    errand_gate::ticket const mine(address_checks_, std::move(account_id));
    if (mine.got() != errand_gate::answer::entered)
        co_return refusal(mine.got(), "checks of URLs");
    auto const until = std::chrono::steady_clock::now() + judge_bound;
    std::function<task<std::optional<std::string>>(place&)> errand = [to, until](place& at) {
        return at.client->judge_target(to, until);
    };
    std::optional<std::string> interrupted;
    auto out = co_await run<std::optional<std::string>>(std::move(errand), std::move(interrupted));
    co_return out;
}

task<result<dispatch::test_outcome>> webhook_errands::send_test(dispatch::test_request what) {
    using outcome = std::optional<dispatch::test_outcome>;
    errand_gate::ticket const mine(tests_, what.to.account_id);
    if (mine.got() != errand_gate::answer::entered)
        co_return refusal(mine.got(), "tests");
    auto const request = std::make_shared<dispatch::test_request const>(std::move(what));
    std::function<task<outcome>(place&)> errand = [this, request](place& at) { return test_at(at, request); };
    outcome interrupted;
    auto out = co_await run<outcome>(std::move(errand), std::move(interrupted));
    if (!out)
        co_return failure{fault::shutting_down, "this daemon is shutting down"};
    co_return std::move(*out);
}

task<std::optional<dispatch::test_outcome>>
webhook_errands::test_at(place& at, std::shared_ptr<dispatch::test_request const> what) {
    dispatch::test_environment with;
    with.client = at.client;
    with.seals = parts_.seals;
    with.time = &system_clock();
    with.urls = parts_.urls;
    with.delivery = parts_.delivery;
    auto out = co_await dispatch::send_test(std::move(with), *what);
    co_return out;
}

task<void> webhook_errands::stop(std::size_t shard) {
    auto& at = *shards_[shard];
    at.group.cancel();
    co_await at.group.wait_empty();
}

} // namespace klen::webhooks::app
