#include "klen/webhooks/intake/intake.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>

namespace klen::webhooks::intake {

namespace {

using kind = refusal::kind;

refusal refusal_of(failure const& f) {
    switch (f.kind) {
    case fault::conflict:
        return {kind::conflict, "id: was used before for an event with other content"};
    case fault::too_large:
        return {kind::too_large, f.message};
    case fault::overloaded:
        return {kind::overloaded, "too many events are waiting to be stored: try again in a moment"};
    case fault::over_limit: // the account's own share of the queue
        return {kind::overloaded, f.message};
    case fault::connection_lost: // says whether the event may be stored all the same
        return {kind::unavailable, f.message};
    case fault::database_busy:
        return {kind::unavailable, "the event could not be stored now: try again in a moment"};
    case fault::shutting_down:
        return {kind::shutting_down, "this instance is shutting down: try again"};
    default:
        return {kind::failed, "the event could not be stored", f.message};
    }
}

publish_answer answer_of(result<store::publish_receipt> stored) {
    if (stored)
        return *stored;
    return refusal_of(stored.error());
}

/// The answers of one batch while they come in. Each item has a slot of its own, so that the writer's thread and the
/// publisher's need no lock; the count orders the last slot before the wake-up.
class batch_answers {
  public:
    explicit batch_answers(std::size_t items) : answers_(items), missing_(items) {}

    void put(std::size_t which, publish_answer answer) {
        answers_[which] = std::move(answer);
        if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            complete_.set()(true);
    }
    /// Nobody waits any longer; what still comes in is kept here and dropped.
    one_shot<bool>::setter give_up() const { return complete_.set(); }

    one_shot<bool> const& complete() const { return complete_; }
    std::vector<publish_answer> take() { return std::move(answers_); }

  private:
    std::vector<publish_answer> answers_;
    std::atomic<std::size_t> missing_;
    one_shot<bool> complete_;
};

failure const no_answer_yet{fault::connection_lost,
                            "the database does not answer: it is not known whether the event is stored; publish it "
                            "again with the same id"};

/// Does `what` unless the owner is done before: a commit cannot be cancelled, but its publisher must not wait for ever
/// when the database hangs.
class patience {
  public:
    patience(executor const& ex, milliseconds bound, std::function<void()> what) {
        if (bound <= milliseconds::zero())
            return;
        timer_.emplace(ex, bound);
        timer_->async_wait([what = std::move(what)](boost::system::error_code ec) {
            if (!ec)
                what();
        });
    }

  private:
    std::optional<asio::steady_timer> timer_; // its destructor cancels the wait
};

} // namespace

intake::intake(intake_config config, store::event_writer& writer, event_catalogue const& catalogue)
    : config_(std::move(config)), writer_(writer), catalogue_(catalogue) {}

task<publish_answer> intake::publish(publisher who, std::string json, std::optional<std::string> default_id) {
    auto judged = judge(who, json, default_id);
    if (auto* no = std::get_if<refusal>(&judged))
        co_return std::move(*no);
    auto const ex = co_await asio::this_coro::executor;
    one_shot<result<store::publish_receipt>> stored;
    patience const bound(ex, config_.answer_timeout, [set = stored.set()] { set(no_answer_yet); });
    writer_.submit(std::move(std::get<store::new_event>(judged)), stored.set());
    auto outcome = co_await stored.wait();
    co_return answer_of(std::move(outcome));
}

task<std::variant<std::vector<publish_answer>, refusal>> intake::publish_batch(publisher who, std::string json,
                                                                               std::size_t items_max) {
    auto split = event::split_array(json, items_max);
    if (auto const* broken = std::get_if<event::json_error>(&split))
        co_return refusal{kind::invalid, broken->text()};
    auto const& items = std::get<event::json_items>(split).items;
    if (items.empty())
        co_return refusal{kind::invalid, "the batch is empty: give at least one event"};

    auto answers = std::make_shared<batch_answers>(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        auto judged = judge(who, items[i]);
        if (auto* no = std::get_if<refusal>(&judged)) {
            answers->put(i, std::move(*no));
            continue;
        }
        auto const finished = [answers, i](result<store::publish_receipt> stored) {
            answers->put(i, answer_of(std::move(stored)));
        };
        writer_.submit(std::move(std::get<store::new_event>(judged)), finished);
    }
    auto const ex = co_await asio::this_coro::executor;
    patience const bound(ex, config_.answer_timeout, [give_up = answers->give_up()] { give_up(false); });
    auto const& complete = answers->complete();
    bool const all = co_await complete.wait();
    if (!all)
        co_return refusal_of(no_answer_yet);
    co_return answers->take();
}

} // namespace klen::webhooks::intake
