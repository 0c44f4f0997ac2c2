#include "dispatch/health_book.hpp"

#include "klen/webhooks/policy/durations.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

namespace {

/// The later one; outcomes of one webhook may be written in another order than they ended.
bool advance(std::optional<wall_time>& last, wall_time at) {
    if (last && *last > at)
        return false;
    last = at;
    return true;
}

void add_success(store::health_record& to, wall_time ended) {
    ++to.delivered;
    advance(to.last_success_at, ended);
    to.failures_since_success = 0;
}

void add_failure(store::health_record& to, wall_time ended, policy::error_class why) {
    ++to.failed;
    if (advance(to.last_failure_at, ended))
        to.last_failure = why;
    ++to.failures_since_success;
}

} // namespace

void health_book::add(store::attempt_record const& one, wall_time ended) {
    if (one.verdict.what == policy::decision::cancelled)
        return;
    auto& to = since_[one.webhook];
    to.webhook = one.webhook;
    if (one.result.succeeded())
        add_success(to, ended);
    else
        add_failure(to, ended, one.result.error);
    // A URL that is refused is judged without a request: that takes no time that would say anything.
    if (one.result.error != policy::error_class::url_not_allowed)
        ++to.durations[policy::duration_bucket(one.result.duration)];
}

std::vector<store::health_record> health_book::take() {
    std::vector<store::health_record> out;
    out.reserve(since_.size());
    for (auto const& [id, record] : since_)
        out.push_back(record);
    since_.clear();
    return out;
}

} // namespace klen::webhooks::dispatch
