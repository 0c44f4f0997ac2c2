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

/// What takes more than a few milliseconds to judge.
constexpr std::size_t large_bytes = std::size_t{256} << 10;

/// Whose turn to be judged it takes. A platform key publishes for many accounts: then it is the first one that the text
/// seems to name, which need not be right to be fair.
std::string turn_of(publisher const& who, std::string_view json) {
    if (who.account_id)
        return *who.account_id;
    constexpr std::size_t looked_at = std::size_t{64} << 10;
    constexpr std::string_view name = R"("account_id")";
    constexpr std::string_view between = " \t\r\n:";
    auto rest = json.substr(0, looked_at);
    auto const at = rest.find(name);
    if (at == std::string_view::npos)
        return {};
    rest.remove_prefix(at + name.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(between), rest.size()));
    if (rest.empty() || rest.front() != '"')
        return {};
    rest.remove_prefix(1);
    auto const id = rest.substr(0, rest.find('"'));
    return is_account_id(id) ? std::string(id) : std::string();
}

failure const no_answer_yet{
    fault::connection_lost,
    "the database has not answered in time: it is not known whether the event is stored; publish it "
    "again with the same id"};

failure const hung{fault::connection_lost, "the database does not answer: try again in a moment"};

/// Does `give_up` unless the owner is done before: a commit cannot be cancelled, but its publisher must not wait for
/// ever when the database hangs, and not for long when it has hung for a while.
class patience {
  public:
    struct bounds {
        milliseconds answer; ///< 0: none
        milliseconds hang;   ///< 0: none
    };
    patience(executor const& ex, bounds how_long, store::event_writer const& writer, std::function<void()> give_up) {
        if (how_long.answer <= milliseconds::zero())
            return;
        auto const now = std::chrono::steady_clock::now();
        vigil const rest{ex, how_long.hang, now + how_long.answer, &writer, std::move(give_up)};
        timer_.emplace(ex, how_long.hang > milliseconds::zero() ? std::min(how_long.hang, how_long.answer)
                                                                : how_long.answer);
        timer_->async_wait([rest](boost::system::error_code ec) {
            if (!ec)
                look(rest);
        });
    }

  private:
    struct vigil {
        executor ex;
        milliseconds hang;
        steady_time deadline;
        store::event_writer const* writer;
        std::function<void()> give_up;
    };

    /// It was not answered soon, which is rare. From here the owner may be gone: then giving up does nothing.
    static void look(vigil const& rest) {
        auto const left = rest.deadline - std::chrono::steady_clock::now();
        auto const busy = rest.writer->busy_for();
        bool const watches = rest.hang > milliseconds::zero();
        if (left <= std::chrono::nanoseconds(0) || (watches && busy >= rest.hang)) {
            rest.give_up();
            return;
        }
        constexpr std::chrono::nanoseconds shortest = milliseconds(10);
        std::chrono::nanoseconds const next =
            watches ? std::min<std::chrono::nanoseconds>(left, std::max(rest.hang - busy, shortest)) : left;
        auto const timer = std::make_shared<asio::steady_timer>(rest.ex, next);
        timer->async_wait([timer, rest](boost::system::error_code ec) {
            if (!ec)
                look(rest);
        });
    }

    std::optional<asio::steady_timer> timer_; // its destructor cancels the wait
};

} // namespace

intake::intake(intake_config config, store::event_writer& writer, event_catalogue const& catalogue, run_beside beside)
    : config_(std::move(config)), writer_(writer), catalogue_(catalogue), beside_(std::move(beside)) {}

bool intake::hangs() const {
    return config_.hang_timeout > milliseconds::zero() && writer_.busy_for() >= config_.hang_timeout;
}

bool intake::is_large(std::string_view json) const { return beside_ && json.size() > large_bytes; }

task<publish_answer> intake::publish(publisher who, std::string json, std::optional<std::string> default_id) {
    judged_event judged;
    if (is_large(json)) {
        auto account_id = turn_of(who, json);
        std::function<judged_event()> judgement = [this, who = std::move(who), json = std::move(json),
                                                   default_id = std::move(default_id)] {
            return judge(who, json, default_id);
        };
        judged = co_await beside(std::move(account_id), std::move(judgement));
    } else {
        judged = judge(who, json, default_id);
    }
    if (auto* no = std::get_if<refusal>(&judged))
        co_return std::move(*no);
    if (hangs())
        co_return refusal_of(hung);
    auto const ex = co_await asio::this_coro::executor;
    one_shot<result<store::publish_receipt>> stored;
    patience const bound(ex, {config_.answer_timeout, config_.hang_timeout}, writer_,
                         [set = stored.set()] { set(no_answer_yet); });
    writer_.submit(std::move(std::get<store::new_event>(judged)), stored.set());
    auto outcome = co_await stored.wait();
    co_return answer_of(std::move(outcome));
}

task<std::variant<std::vector<publish_answer>, refusal>> intake::publish_batch(publisher who, std::string json,
                                                                               std::size_t items_max) {
    judged_batch judged;
    if (is_large(json)) {
        auto account_id = turn_of(who, json);
        std::function<judged_batch()> judgement = [this, who = std::move(who), json = std::move(json), items_max] {
            return judge_batch(who, json, items_max);
        };
        judged = co_await beside(std::move(account_id), std::move(judgement));
    } else {
        judged = judge_batch(who, json, items_max);
    }
    if (auto* no = std::get_if<refusal>(&judged))
        co_return std::move(*no);

    if (hangs())
        co_return refusal_of(hung);
    auto& items = std::get<std::vector<judged_event>>(judged);
    auto answers = std::make_shared<batch_answers>(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (auto* no = std::get_if<refusal>(&items[i])) {
            answers->put(i, std::move(*no));
            continue;
        }
        auto const finished = [answers, i](result<store::publish_receipt> stored) {
            answers->put(i, answer_of(std::move(stored)));
        };
        writer_.submit(std::move(std::get<store::new_event>(items[i])), finished);
    }
    auto const ex = co_await asio::this_coro::executor;
    patience const bound(ex, {config_.answer_timeout, config_.hang_timeout}, writer_,
                         [give_up = answers->give_up()] { give_up(false); });
    auto const& complete = answers->complete();
    bool const all = co_await complete.wait();
    if (!all)
        co_return refusal_of(no_answer_yet);
    co_return answers->take();
}

intake::judged_batch intake::judge_batch(publisher const& who, std::string_view json, std::size_t items_max) const {
    auto split = event::split_array(json, items_max);
    if (auto const* broken = std::get_if<event::json_error>(&split))
        return refusal{kind::invalid, broken->text()};
    auto const& items = std::get<event::json_items>(split).items;
    if (items.empty())
        return refusal{kind::invalid, "the batch is empty: give at least one event"};
    std::vector<judged_event> out;
    out.reserve(items.size());
    for (auto const& item : items)
        out.push_back(judge(who, item));
    return out;
}

template <class Judged>
task<Judged> intake::beside(std::string account_id, std::function<Judged()> judgement) {
    // The caller may be gone when it is made.
    auto const judged = std::make_shared<Judged>();
    std::function<void()> what = [judged, judgement = std::move(judgement)] { *judged = judgement(); };
    auto const done = co_await beside_(std::move(account_id), std::move(what));
    if (!done)
        co_return refusal_of(done.error());
    co_return std::move(*judged);
}

} // namespace klen::webhooks::intake
