#pragma once

#include <algorithm>
#include <cstdint>

namespace klen::webhooks::app {

/// How much one step takes on: less after one that failed, which may have been too long for the database's limit, and
/// slowly more again. Pure.
class step_size {
  public:
    explicit step_size(std::uint32_t max) : max_(max), now_(max) {}

    std::uint32_t now() const { return now_; }
    void succeeded() { now_ = std::min(max_, now_ * 2); }
    void failed() { now_ = std::max(1U, now_ / 4); }

  private:
    std::uint32_t max_;
    std::uint32_t now_;
};

} // namespace klen::webhooks::app
