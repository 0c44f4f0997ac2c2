#pragma once

#include "app/step_size.hpp"
#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <cstddef>
#include <unordered_map>

namespace klen::webhooks::app {

/// How much a step of each job takes on, and which jobs rest after a step that failed. Each job by itself: one that
/// fails makes no other's steps smaller, and keeps none from its turn. Knows only jobs that have failed and have not
/// recovered; of those at most `jobs_max`, the ones that failed last. Pure.
class job_turns {
  public:
    struct limits {
        std::uint32_t step_max = 1;
        std::size_t jobs_max = 1;
        milliseconds rest{};
        milliseconds rest_max{};
    };
    explicit job_turns(limits how) : how_(how) {}

    store::job_plan plan(steady_time now) const;
    void succeeded(job_id id);
    void failed(job_id id, steady_time now);
    void ended(job_id id) { troubled_.erase(id); }
    std::size_t known() const { return troubled_.size(); }

  private:
    struct trouble {
        step_size size;
        milliseconds rest{}; ///< after its last failure; grows once its steps cannot get smaller
        steady_time failed_at{};
    };
    void forget_oldest();

    limits how_;
    std::unordered_map<job_id, trouble> troubled_;
};

} // namespace klen::webhooks::app
