#include "klen/webhooks/policy/circuit.hpp"

#include <algorithm>

namespace klen::webhooks::policy {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::string_view to_string(circuit_state what) {
    switch (what) {
    case circuit_state::closed:
        return "closed";
    case circuit_state::open:
        return "open";
    case circuit_state::half_open:
        return "half_open";
    }
    return "unknown";
}

std::string_view to_string(circuit_cause what) {
    switch (what) {
    case circuit_cause::none:
        return "none";
    case circuit_cause::failures_in_a_row:
        return "failures_in_a_row";
    case circuit_cause::failure_ratio:
        return "failure_ratio";
    case circuit_cause::retry_after:
        return "retry_after";
    case circuit_cause::probe_failed:
        return "probe_failed";
    }
    return "unknown";
}

endpoint_sign sign_of(attempt_result const& result) {
    constexpr int too_many_requests = 429;
    constexpr int first_server_error = 500;
    switch (result.error) {
    case error_class::none:
        return endpoint_sign::alive;
    case error_class::http_status:
        return result.status == too_many_requests || result.status >= first_server_error ? endpoint_sign::failed
                                                                                         : endpoint_sign::alive;
    case error_class::local_failure:
    case error_class::url_not_allowed:
    case error_class::webhook_deleted:
    case error_class::event_expired:
    case error_class::cancelled_by_request:
        return endpoint_sign::none;
    default:
        return endpoint_sign::failed;
    }
}

circuit_cause circuit::ended(begun_attempt const& which, attempt_result const& result, steady_time now, double chance) {
    auto const asked = which.by_hand ? milliseconds::zero() : asked_wait(result);
    if (which.era != era_) {
        if (state_ == circuit_state::open)
            open_until_ = std::max(open_until_, now + asked);
        return circuit_cause::none;
    }
    auto const sign = sign_of(result);
    if (sign == endpoint_sign::none)
        return circuit_cause::none;
    if (sign == endpoint_sign::alive) {
        in_a_row_ = 0;
        if (state_ == circuit_state::half_open)
            close();
        else {
            count(false, now);
            grow();
        }
        return circuit_cause::none;
    }
    return failed(which, asked, now, chance);
}

circuit_cause circuit::failed(begun_attempt const& which, nanoseconds asked, steady_time now, double chance) {
    if (only_asked(now)) {
        open(std::max(open_until_, now + asked));
        return circuit_cause::probe_failed;
    }
    if (which.by_hand && state_ == circuit_state::closed)
        return circuit_cause::none;
    auto const cause = judge_failure(now);
    if (cause != circuit_cause::none) {
        open(now + std::max(next_wait(chance), asked));
        return cause;
    }
    if (asked.count() == 0)
        return circuit_cause::none;
    open(now + asked);
    return circuit_cause::retry_after;
}

/// The failure that opens it, if it does.
circuit_cause circuit::judge_failure(steady_time now) {
    if (state_ == circuit_state::half_open)
        return circuit_cause::probe_failed;
    count(true, now);
    ++in_a_row_;
    // While it recovers as many as may be under way at once are enough: they all failed.
    auto const enough = recovering_ && how_->failures != 0 ? std::min(how_->failures, limit_) : how_->failures;
    if (enough != 0 && in_a_row_ >= enough)
        return circuit_cause::failures_in_a_row;
    std::uint64_t const all = std::uint64_t{window_[0].all} + window_[1].all;
    std::uint64_t const failed = std::uint64_t{window_[0].failed} + window_[1].failed;
    if (how_->failure_percent != 0 && all >= how_->attempts_min && failed * 100 >= all * how_->failure_percent)
        return circuit_cause::failure_ratio;
    return circuit_cause::none;
}

/// In two halves, so that nothing is kept of each attempt: what is looked at is between half a window and one old.
void circuit::count(bool failed, steady_time now) {
    auto const half = how_->window / 2;
    if (now - half_began_ >= half) {
        window_[1] = now - half_began_ < 2 * half ? window_[0] : counts{};
        window_[0] = {};
        half_began_ = now;
    }
    ++window_[0].all;
    window_[0].failed += failed ? 1 : 0;
}

void circuit::open(steady_time until) {
    state_ = circuit_state::open;
    ++era_;
    limit_ = 0;
    open_until_ = until;
}

bool circuit::half_open_if_due(steady_time now) { return now >= open_until_ && half_open_now(); }

bool circuit::half_open_now() {
    if (state_ != circuit_state::open)
        return false;
    state_ = circuit_state::half_open;
    ++era_;
    limit_ = 1;
    return true;
}

bool circuit::open_again(steady_time now) {
    if (!only_asked(now))
        return false;
    open(open_until_);
    return true;
}

void circuit::close() {
    state_ = circuit_state::closed;
    ++era_;
    limit_ = 1;
    recovering_ = true;
    successes_ = 0;
    window_ = {};
    if (how_->ramp_end <= 1)
        grow();
}

void circuit::grow() {
    if (limit_ == no_limit)
        return;
    if (++successes_ >= limit_) {
        successes_ = 0;
        limit_ = limit_ > no_limit / 2 ? no_limit : limit_ * 2;
    }
    if (limit_ < how_->ramp_end)
        return;
    limit_ = no_limit;
    recovering_ = false;
    wait_ = how_->wait;
}

void circuit::reset() {
    state_ = circuit_state::closed;
    ++era_;
    limit_ = how_->slow_start == 0 || how_->slow_start >= how_->ramp_end ? no_limit : how_->slow_start;
    recovering_ = false;
    successes_ = 0;
    in_a_row_ = 0;
    window_ = {};
    wait_ = how_->wait;
}

/// The probes to many webhooks on one host that went down come apart: a quarter longer at most, or shorter where that
/// would be over the maximum. So the first pause is never shorter than it is called.
nanoseconds circuit::next_wait(double chance) {
    auto const whole = std::chrono::duration_cast<nanoseconds>(wait_);
    auto const longest = std::max(how_->wait_max, how_->wait);
    wait_ = std::min(wait_ * 2, longest);
    auto const aside = std::clamp(chance, 0.0, 1.0) / 4 * static_cast<double>(whole.count());
    auto const by = nanoseconds(static_cast<nanoseconds::rep>(aside));
    return whole == how_->wait || whole + by <= longest ? whole + by : whole - by;
}

milliseconds circuit::asked_wait(attempt_result const& result) const {
    if (!result.retry_after)
        return {};
    return std::clamp<milliseconds>(*result.retry_after, milliseconds::zero(), how_->wait_max);
}

} // namespace klen::webhooks::policy
