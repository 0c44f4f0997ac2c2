#include "klen/webhooks/policy/claim_pace.hpp"

#include <algorithm>

namespace klen::webhooks::policy {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Long enough for a few commits, short enough to notice a herd before it hurts.
constexpr milliseconds window{100};
/// Who published last so long ago waits for nothing.
constexpr milliseconds published_lately{500};
/// What a commit takes on an ordinary disk, while nothing better is known.
constexpr milliseconds usual_unknown{5};
/// Below that nobody notices a difference.
constexpr milliseconds unnoticed{1};
/// After so many windows without a claim what publishers wait is usual again.
constexpr std::uint32_t windows_quiet = 5;
/// A herd begins at so many times the least.
constexpr double start_factor = 4;
constexpr double faster = 1.1;
constexpr double slower = 0.75;
constexpr double rate_max = 1e6;
/// The burst: small claims often keep the database free for others in between.
constexpr double burst_seconds = 0.02;

double seconds_of(nanoseconds d) { return std::chrono::duration<double>(d).count(); }

} // namespace

claim_pace::claim_pace(limits how) : limits_(how), rate_(start_factor * how.least_per_second) {}

void claim_pace::published(nanoseconds longest, steady_time now) {
    if (limits_.slowdown_percent == 0)
        return;
    std::lock_guard const lock(mutex_);
    turn(now);
    published_at_ = now;
    waited_ += longest;
    ++batches_;
}

/// Nobody publishes, or nobody minds.
bool claim_pace::is_free(steady_time now) const {
    return limits_.slowdown_percent == 0 || published_at_ == steady_time{} || now - published_at_ > published_lately;
}

steady_time claim_pace::next(steady_time now) {
    std::lock_guard const lock(mutex_);
    if (is_free(now))
        return now;
    turn(now);
    double const needed = std::max(1.0, rate_ * burst_seconds / 2);
    if (tokens_ >= needed)
        return now;
    auto const wait = std::chrono::duration<double>((needed - tokens_) / rate_);
    return now + std::max<nanoseconds>(std::chrono::ceil<nanoseconds>(wait), milliseconds(1));
}

std::uint32_t claim_pace::room(std::uint32_t wanted, steady_time now) {
    std::lock_guard const lock(mutex_);
    if (is_free(now))
        return wanted;
    turn(now);
    return std::min(wanted, static_cast<std::uint32_t>(std::max(tokens_, 0.0)));
}

void claim_pace::claimed(std::uint32_t deliveries, steady_time now) {
    if (limits_.slowdown_percent == 0)
        return;
    std::lock_guard const lock(mutex_);
    turn(now);
    claimed_ += deliveries;
    tokens_ = std::max(tokens_ - deliveries, 0.0); // more only while nobody published
}

double claim_pace::rate() const {
    std::lock_guard const lock(mutex_);
    return rate_;
}

void claim_pace::turn(steady_time now) {
    if (now - window_began_ >= window) {
        close_window(now - window_began_);
        window_began_ = now;
    }
    auto const burst = std::max(1.0, rate_ * burst_seconds);
    tokens_ = std::min(tokens_ + rate_ * std::min(seconds_of(now - filled_at_), 1.0), burst);
    filled_at_ = now;
}

void claim_pace::close_window(nanoseconds length) {
    quiet_ = claimed_ == 0 ? quiet_ + 1 : 0;
    auto const waited = batches_ == 0 ? nanoseconds(0) : waited_ / batches_;
    if (quiet_ > windows_quiet) {
        rate_ = start_factor * least();
        if (batches_ > 0)
            usual_ = usual_ == nanoseconds(0) ? waited : usual_ + (waited - usual_) / 16;
    } else if (batches_ > 0 && claimed_ > 0) {
        auto const usual = usual_ == nanoseconds(0) ? nanoseconds(usual_unknown) : usual_;
        auto const bound = std::max(usual + usual * limits_.slowdown_percent / 100, usual + unnoticed);
        if (waited > bound)
            rate_ = std::max(least(), std::min(rate_, claimed_ / seconds_of(length)) * slower);
        else
            rate_ = std::min(rate_max, rate_ * faster);
    }
    waited_ = nanoseconds(0);
    batches_ = 0;
    claimed_ = 0;
}

} // namespace klen::webhooks::policy
