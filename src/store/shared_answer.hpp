#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"

#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace klen::webhooks::store {

/// One question for all who ask it at about the same time, so that no number of them makes work, or fills a queue. Any
/// thread.
class shared_answer {
  public:
    using waiter = std::function<void(result<void>)>;
    struct times {
        milliseconds fresh_for; ///< so long an answer serves those who come after it
        milliseconds patience;  ///< after so long without an answer, nobody else is let wait for it
    };

    explicit shared_answer(times t) : times_(t) {}

    /// `who` is told the answer: at once, or when the question under way is answered. True: none is under way, and the
    /// caller is to ask, and then to `settle`.
    bool join(waiter who, steady_time now) {
        std::optional<result<void>> known;
        {
            std::lock_guard lock(mutex_);
            known = known_at(now);
            if (!known) {
                waiting_.push_back(std::move(who));
                if (std::exchange(asking_, true))
                    return false;
                asked_at_ = now;
                return true;
            }
        }
        who(std::move(*known));
        return false;
    }

    void settle(result<void> const& answer, steady_time now) {
        std::vector<waiter> all;
        {
            std::lock_guard lock(mutex_);
            last_ = answer;
            answered_at_ = now;
            asking_ = false;
            all.swap(waiting_);
        }
        for (auto const& who : all)
            who(answer);
    }

  private:
    std::optional<result<void>> known_at(steady_time now) const {
        if (last_ && now - answered_at_ <= times_.fresh_for)
            return last_;
        // A question that hangs may do so for minutes: those who have given up would pile up behind it.
        if (asking_ && now - asked_at_ > times_.patience)
            return result<void>(failure{fault::connection_lost, "what was asked before is not answered yet"});
        return std::nullopt;
    }

    times const times_;
    std::mutex mutex_;
    std::vector<waiter> waiting_;
    bool asking_ = false;
    steady_time asked_at_;
    std::optional<result<void>> last_;
    steady_time answered_at_;
};

} // namespace klen::webhooks::store
