#pragma once

#include "dispatch/budget.hpp"
#include "dispatch/term.hpp"
#include "klen/webhooks/store/types.hpp"

#include <utility>

namespace klen::webhooks::dispatch {

/// One delivery in memory's share of the lease and of the budget. Moves with it, from the claim to the committed
/// outcome; what is destroyed on the way (a shutdown, a lost lease) gives its share back by itself.
class lease {
  public:
    lease() = default;
    lease(term_ptr under, budget::charge memory) : under_(std::move(under)), memory_(std::move(memory)) {
        under_->hold();
    }
    lease(lease&& other) noexcept : under_(std::move(other.under_)), memory_(std::move(other.memory_)) {}
    lease& operator=(lease&& other) noexcept {
        let_go();
        under_ = std::move(other.under_);
        memory_ = std::move(other.memory_);
        return *this;
    }
    ~lease() { let_go(); }

    term const& under() const { return *under_; }
    term_ptr const& term_of() const { return under_; }
    void release_bytes() { memory_.release_bytes(); }

  private:
    void let_go() {
        if (auto under = std::exchange(under_, nullptr))
            under->let_go();
    }
    term_ptr under_;
    budget::charge memory_;
};

/// A claimed delivery on its way to an attempt.
struct leased_delivery {
    store::claimed_delivery what;
    lease held;
};

/// A finished attempt on its way to the database.
struct outcome {
    store::attempt_record record;
    lease held;
    outcome_slots::slot slot;
};

/// A delivery that was not begun, on its way back to the database.
struct returned_delivery {
    delivery_id id;
    webhook_id webhook;
    lease held;
    bool parked = false;
    steady_time not_before{};
};

} // namespace klen::webhooks::dispatch
