#include "klen/webhooks/policy/verdict.hpp"

#include <algorithm>

namespace klen::webhooks::policy {

using std::chrono::milliseconds;

std::string_view to_string(decision what) {
    switch (what) {
    case decision::delivered:
        return "delivered";
    case decision::retry:
        return "retry";
    case decision::failed:
        return "failed";
    case decision::cancelled:
        return "cancelled";
    }
    return "unknown";
}

namespace {

constexpr int status_gone = 410;
constexpr int status_too_many_requests = 429;
constexpr int status_unavailable = 503;

milliseconds with_jitter(milliseconds wait, std::uint32_t percent, double random) {
    auto const share = std::clamp(random, 0.0, 1.0) * std::min(percent, 100U) / 100.0;
    return wait + milliseconds(static_cast<milliseconds::rep>(static_cast<double>(wait.count()) * share));
}

/// What the receiver asked for, as far as the policy goes along with it.
milliseconds asked_wait(retry_policy const& policy, attempt_result const& result) {
    bool const may_ask = result.status == status_too_many_requests || result.status == status_unavailable;
    if (!may_ask || !result.retry_after)
        return milliseconds::zero();
    return std::clamp<milliseconds>(*result.retry_after, milliseconds::zero(), policy.retry_after_max);
}

/// After a failed attempt of the schedule.
void go_on(verdict& out, retry_policy const& policy, int attempt, attempt_result const& result, double random) {
    if (attempt >= policy.attempts_max()) {
        out.what = decision::failed;
        return;
    }
    auto const step = static_cast<std::size_t>(std::max(attempt, 1) - 1);
    out.what = decision::retry;
    out.wait = std::max(with_jitter(policy.schedule[step], policy.jitter_percent, random), asked_wait(policy, result));
}

/// After a failed manual attempt: as it was before. The wait is the one that led to the schedule's next attempt.
void go_back(verdict& out, retry_policy const& policy, attempt_place which) {
    if (!which.schedule_goes_on) {
        out.what = decision::failed;
        return;
    }
    out.what = decision::retry;
    auto const waits_before = static_cast<std::size_t>(std::max(which.scheduled, 1) - 1);
    if (waits_before > 0 && !policy.schedule.empty())
        out.wait = policy.schedule[std::min(waits_before, policy.schedule.size()) - 1];
}

/// Settled without asking the receiver, and for good.
bool is_cancellation(error_class why) {
    return why == error_class::webhook_deleted || why == error_class::event_expired ||
           why == error_class::cancelled_by_request;
}

} // namespace

verdict decide(retry_policy const& policy, attempt_place which, attempt_result const& result, double random) {
    verdict out;
    if (is_cancellation(result.error)) {
        out.what = decision::cancelled;
        return out;
    }
    if (result.succeeded()) {
        out.what = decision::delivered;
        return out;
    }
    if (result.error == error_class::local_failure) {
        // The receiver was not asked: the attempt does not count, so it may be repeated however many there were.
        out.what = decision::retry;
        out.wait = with_jitter(local_failure_wait, 100, random);
        return out;
    }
    // A disabled webhook's deliveries wait; so this one, too, keeps the attempts that it has left.
    out.disable_webhook = result.status == status_gone;
    if (which.manual)
        go_back(out, policy, which);
    else
        go_on(out, policy, which.scheduled, result, random);
    return out;
}

} // namespace klen::webhooks::policy
