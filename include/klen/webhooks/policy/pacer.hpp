#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace klen::webhooks::policy {

/// Spaces requests evenly so that they keep to a rate (GCRA, a leaky bucket without a timer of its own): at most
/// 1 + (w + `slack`) × rate in any time w, whatever was unused before. Pure; time never runs backwards here.
class pacer {
  public:
    /// How late a request may be begun without the next ones being later, too: what a timer and a busy thread need.
    /// Rates over 100 a second may use it as a burst.
    static constexpr std::chrono::milliseconds slack{10};

    /// None: no limit. In force at once: what was allowed under another rate delays nothing longer than one space.
    void set(std::optional<std::uint32_t> per_second, steady_time now) {
        using std::chrono::nanoseconds;
        constexpr std::int64_t second = std::nano::den;
        auto const rate = static_cast<std::int64_t>(per_second.value_or(0));
        space_ = rate == 0 ? nanoseconds(0) : nanoseconds((second + rate - 1) / rate);
        next_ = std::min(next_, now + space_);
    }
    bool limits() const { return space_.count() != 0; }
    /// When the next request may begin. Before now: it may now.
    steady_time next() const { return next_; }
    /// One begins now.
    void took(steady_time now) { next_ = std::max(next_, now - slack) + space_; }

  private:
    std::chrono::nanoseconds space_{0};
    steady_time next_{};
};

} // namespace klen::webhooks::policy
