#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace klen::webhooks::dispatch {

/// How many leased deliveries, and how many bytes of their events, may be in memory. Thread-safe.
///
/// Two sides take from it without a lock between them: the claims, and the event writer's grant (one at a time). Claims
/// fill three quarters at most and a grant is a quarter at most, so together they never go over the whole.
class budget : public std::enable_shared_from_this<budget> {
  public:
    budget(std::uint32_t deliveries_max, std::uint64_t bytes_max)
        : deliveries_max_(deliveries_max), bytes_max_(bytes_max) {}

    /// How many deliveries a claim may bring, at most `wanted`. Sizes are not known before: bytes are counted with the
    /// size that events had lately.
    std::uint32_t claim_room(std::uint32_t wanted) const;
    std::uint32_t grant_room() const;
    /// More than half is used: what answers nothing had better not hold any.
    bool scarce() const;

    std::uint64_t deliveries() const { return deliveries_.load(); }
    std::uint64_t bytes() const { return bytes_.load(); }

    /// One delivery's share. Given back when it is destroyed.
    class charge {
      public:
        charge() = default;
        charge(charge&& other) noexcept : of_(std::move(other.of_)), bytes_(std::exchange(other.bytes_, 0)) {}
        charge& operator=(charge&& other) noexcept {
            give_back();
            of_ = std::move(other.of_);
            bytes_ = std::exchange(other.bytes_, 0);
            return *this;
        }
        ~charge() { give_back(); }
        /// The event is no longer held; the delivery still is.
        void release_bytes();

      private:
        friend class budget;
        charge(std::shared_ptr<budget> of, std::uint64_t bytes) : of_(std::move(of)), bytes_(bytes) {}
        void give_back();
        std::shared_ptr<budget> of_;
        std::uint64_t bytes_ = 0;
    };
    charge take(std::uint64_t bytes);

    /// What a claim under way may bring. Given back when it is destroyed.
    class reservation {
      public:
        reservation(std::shared_ptr<budget> of, std::uint32_t count) : of_(std::move(of)), count_(count) {
            of_->reserved_.fetch_add(count_);
        }
        reservation(reservation const&) = delete;
        reservation& operator=(reservation const&) = delete;
        ~reservation() { of_->reserved_.fetch_sub(count_); }

      private:
        std::shared_ptr<budget> of_;
        std::uint32_t count_;
    };

  private:
    std::uint64_t room(std::uint64_t deliveries_limit, std::uint64_t bytes_limit) const;

    std::uint64_t const deliveries_max_;
    std::uint64_t const bytes_max_;
    std::atomic<std::uint64_t> deliveries_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> reserved_{0};
    /// Starts high: the first claim after an outage may meet the largest events, and nothing is known of them yet.
    std::atomic<std::uint64_t> usual_bytes_{std::max<std::uint64_t>(bytes_max_ / 256, 1024)};
};

/// Outcomes that are not yet committed, those of requests under way included: a request is begun only with a slot for
/// its outcome, so nothing is ever dropped for want of room. Thread-safe.
class outcome_slots : public std::enable_shared_from_this<outcome_slots> {
  public:
    explicit outcome_slots(std::uint64_t max) : max_(max) {}

    class slot {
      public:
        slot() = default;
        slot(slot&& other) noexcept : of_(std::move(other.of_)) {}
        slot& operator=(slot&& other) noexcept {
            give_back();
            of_ = std::move(other.of_);
            return *this;
        }
        ~slot() { give_back(); }
        explicit operator bool() const { return static_cast<bool>(of_); }

      private:
        friend class outcome_slots;
        explicit slot(std::shared_ptr<outcome_slots> of) : of_(std::move(of)) {}
        void give_back() {
            if (auto of = std::exchange(of_, nullptr))
                of->used_.fetch_sub(1);
        }
        std::shared_ptr<outcome_slots> of_;
    };

    /// An empty slot when there is no room.
    slot try_take();
    std::uint64_t used() const { return used_.load(); }

  private:
    std::uint64_t const max_;
    std::atomic<std::uint64_t> used_{0};
};

} // namespace klen::webhooks::dispatch
