#include "faults/checker.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace klen::webhooks::faults {

namespace {

using fate = published_event::fate;
using std::chrono::duration_cast;
using std::chrono::microseconds;

constexpr std::size_t violations_shown = 100;
constexpr wall_us clock_grain = 2'000;    ///< two reads of one clock, rounded differently
constexpr wall_us receiver_lag = 200'000; ///< from a request's coming to the receiver's noticing it, on a busy machine

wall_us us(std::chrono::milliseconds time) { return duration_cast<microseconds>(time).count(); }

class checking {
  public:
    explicit checking(evidence const& what) : it_(what) {}

    findings run() {
        index();
        for (auto const& one : it_.published)
            judge_published(one);
        judge_stored_events();
        for (auto const& [delivery, attempts] : attempts_)
            judge_delivery(delivery, attempts);
        for (auto const& [delivery, requests] : requests_)
            judge_requests(delivery, requests);
        for (auto const& one : it_.stored.unfinished)
            violation("delivery " + one + " is neither delivered nor failed");
        count_in_flight();
        finish_retries();
        return std::move(out_);
    }

  private:
    using attempt_list = std::vector<recorded_attempt const*>;
    using request_list = std::vector<received_request const*>;

    void violation(std::string text) {
        if (++out_.violations_in_all <= violations_shown)
            out_.violations.push_back(std::move(text));
    }

    void index();
    void judge_published(published_event const& one);
    void judge_accepted(published_event const& one);
    void judge_stored_events();
    void judge_delivery(std::string const& delivery, attempt_list const& attempts);
    void judge_retry(recorded_attempt const& before, std::string const& delivery);
    void judge_requests(std::string const& delivery, request_list requests);
    void judge_repeat(received_request const& first, received_request const& again);
    bool excused(received_request const& first, received_request const& again) const;
    bool disturbed(wall_us from, wall_us to) const;
    recorded_attempt const* recorded(received_request const& one) const;
    void count_in_flight();
    void finish_retries();

    evidence const& it_;
    findings out_;
    std::unordered_map<std::string, recorded_event const*> events_;        ///< by id
    std::unordered_map<std::string, recorded_event const*> events_by_key_; ///< by publisher's id
    std::map<std::string, attempt_list> attempts_;                         ///< by delivery
    std::unordered_map<std::string, std::set<std::string>> deliveries_;    ///< by event and webhook
    std::map<std::string, request_list> requests_;                         ///< by delivery
    std::set<std::string> keys_received_;
    std::vector<wall_us> lateness_;
};

void checking::index() {
    for (auto const& one : it_.stored.events) {
        events_.emplace(one.event, &one);
        if (!one.key.empty() && !events_by_key_.emplace(one.key, &one).second)
            violation("two events are stored for the key " + one.key);
    }
    for (auto const& one : it_.stored.attempts) {
        attempts_[one.delivery].push_back(&one);
        deliveries_[one.event + one.webhook].insert(one.delivery);
    }
    for (auto const& one : it_.received) {
        requests_[one.delivery].push_back(&one);
        keys_received_.insert(one.event_key);
    }
    out_.requests = it_.received.size();
}

// --- publishers -----------------------------------------------------------------------------------------------------

void checking::judge_published(published_event const& one) {
    if (one.is == fate::accepted) {
        ++out_.accepted;
        judge_accepted(one);
    } else if (one.is == fate::refused) {
        ++out_.refused;
        if (events_by_key_.contains(one.key))
            violation(one.key + " was refused (" + one.why + ") and is stored");
        if (keys_received_.contains(one.key))
            violation(one.key + " was refused (" + one.why + ") and was sent");
    } else {
        ++out_.unclear;
    }
}

void checking::judge_accepted(published_event const& one) {
    auto const found = events_.find(one.event);
    if (found == events_.end())
        return violation(one.key + " was accepted as " + one.event + " and is not stored");
    auto const& stored = *found->second;
    if (stored.key != one.key)
        violation(one.key + " was accepted as " + one.event + ", which is stored as " + stored.key);
    if (stored.committed > one.told + clock_grain)
        violation(one.key + " was accepted " + std::to_string(stored.committed - one.told) + " us before its commit");
    auto const webhooks = it_.webhooks.find(one.account);
    if (webhooks == it_.webhooks.end())
        return violation(one.key + " was accepted for " + one.account + ", which has no webhook");
    for (auto const& webhook : webhooks->second) {
        auto const deliveries = deliveries_.find(one.event + webhook);
        if (deliveries == deliveries_.end())
            violation(one.key + " (" + one.event + ") has no attempt for webhook " + webhook);
        else if (deliveries->second.size() != 1)
            violation(one.key + " has more than one delivery for webhook " + webhook);
    }
}

void checking::judge_stored_events() {
    std::set<std::string> published;
    for (auto const& one : it_.published)
        published.insert(one.key);
    for (auto const& one : it_.stored.events)
        if (!published.contains(one.key))
            violation("event " + one.event + " is stored and nobody published it");
}

// --- the record -----------------------------------------------------------------------------------------------------

void checking::judge_delivery(std::string const& delivery, attempt_list const& attempts) {
    for (std::size_t i = 0; i < attempts.size(); ++i) {
        auto const& one = *attempts[i];
        bool const last = i + 1 == attempts.size();
        if (one.attempt != static_cast<int>(i) + 1)
            violation("delivery " + delivery + ": attempt " + std::to_string(i + 1) + " is not on record");
        if (!last && one.decision != "retry")
            violation("delivery " + delivery + ": something follows an attempt that was " + one.decision);
        if (!last)
            judge_retry(one, delivery);
        auto const fence = it_.ended_leases.find(one.instance);
        if (fence != it_.ended_leases.end() && one.committed > fence->second + clock_grain)
            violation("delivery " + delivery + ": instance " + std::to_string(one.instance) + " recorded attempt " +
                      std::to_string(one.attempt) + ' ' + std::to_string(one.committed - fence->second) +
                      " us after its leases had ended");
        auto const all = requests_.find(delivery);
        bool const seen = all != requests_.end() && std::ranges::any_of(all->second, [&](auto const* r) {
                              return r->attempt == one.attempt && (one.status == 0 || r->status == one.status);
                          });
        if (!seen && one.status != 0)
            violation("delivery " + delivery + ": attempt " + std::to_string(one.attempt) + " is on record with " +
                      std::to_string(one.status) + ", which no receiver answered");
    }
    auto const& last = *attempts.back();
    if (last.decision == "delivered")
        ++out_.delivered;
    else if (last.decision == "failed" && last.attempt == it_.attempts_max)
        ++out_.failed;
    else if (last.decision != "retry") // else it is among the unfinished
        violation("delivery " + delivery + " ended as " + last.decision + " with attempt " +
                  std::to_string(last.attempt));
}

void checking::judge_retry(recorded_attempt const& before, std::string const& delivery) {
    auto const all = requests_.find(delivery);
    if (all == requests_.end() || before.next_due == 0)
        return;
    wall_us arrived = 0;
    for (auto const* r : all->second)
        if (r->attempt == before.attempt + 1 && (arrived == 0 || r->arrived < arrived))
            arrived = r->arrived;
    if (arrived == 0)
        return;
    auto const text = "delivery " + delivery + ": attempt " + std::to_string(before.attempt + 1) + " came ";
    out_.earliest_retry = std::max(out_.earliest_retry, microseconds(before.next_due - arrived));
    if (arrived < before.next_due - us(it_.early_max) - clock_grain)
        violation(text + std::to_string(before.next_due - arrived) + " us before it was due");
    ++out_.retries;
    if (disturbed(before.next_due, arrived))
        return;
    lateness_.push_back(arrived - before.next_due);
    if (arrived > before.next_due + us(it_.late_max + it_.late_slack))
        violation(text + std::to_string(arrived - before.next_due) + " us after it was due");
}

bool checking::disturbed(wall_us from, wall_us to) const {
    return std::ranges::any_of(it_.disturbances, [=](auto const& d) { return d.from <= to && d.to >= from; });
}

void checking::finish_retries() {
    std::ranges::sort(lateness_);
    if (lateness_.empty())
        return;
    out_.latest_retry = microseconds(lateness_.back());
    out_.retry_p99 = microseconds(lateness_[lateness_.size() * 99 / 100]);
}

// --- receivers ------------------------------------------------------------------------------------------------------

recorded_attempt const* checking::recorded(received_request const& one) const {
    auto const all = attempts_.find(one.delivery);
    if (all == attempts_.end() || one.attempt < 1 || static_cast<std::size_t>(one.attempt) > all->second.size())
        return nullptr;
    return all->second[static_cast<std::size_t>(one.attempt) - 1];
}

void checking::judge_requests(std::string const& delivery, request_list requests) {
    std::ranges::sort(requests, {}, [](auto const* r) { return r->arrived; });
    auto const stored = events_by_key_.find(requests.front()->event_key);
    if (stored == events_by_key_.end())
        violation("delivery " + delivery + " of " + requests.front()->event_key + ", which is not stored, was sent");
    std::map<int, received_request const*> before;
    for (auto const* one : requests) {
        if (stored != events_by_key_.end() && one->body_hash != stored->second->body_hash)
            violation("delivery " + delivery + ": other bytes than those stored");
        if (recorded(*one) == nullptr)
            violation("delivery " + delivery + ": attempt " + std::to_string(one->attempt) + " was sent by " +
                      one->sender + " and is not on record");
        auto& last = before[one->attempt];
        if (last != nullptr)
            judge_repeat(*last, *one);
        last = one;
    }
}

void checking::judge_repeat(received_request const& first, received_request const& again) {
    if (first.broken && first.sender == again.sender)
        return;
    ++out_.repeats;
    auto const what = "delivery " + first.delivery + ", attempt " + std::to_string(first.attempt) + " (" +
                      first.sender + " at " + std::to_string(first.arrived) + ", answered " +
                      std::to_string(first.answered) + "), was repeated by " + again.sender + " at " +
                      std::to_string(again.arrived);
    auto const* on_record = recorded(again);
    if (on_record != nullptr && again.arrived > on_record->committed + clock_grain)
        violation(what + " after it was on record (" + std::to_string(on_record->committed) + ")");
    if (!excused(first, again))
        violation(what + " although nothing was killed");
}

bool checking::excused(received_request const& first, received_request const& again) const {
    auto const end = first.answered != 0 ? first.answered : first.arrived + us(it_.attempt_timeout);
    return std::ranges::any_of(it_.disturbances, [&](disturbance const& d) {
        return d.may_repeat && (d.sender.empty() || d.sender == first.sender) &&
               first.arrived <= (d.at_start_only ? d.from : d.to) + receiver_lag &&
               end >= d.from - us(it_.record_lag) && again.arrived >= d.from;
    });
}

void checking::count_in_flight() {
    for (auto const& d : it_.disturbances) {
        if (!d.may_repeat)
            continue;
        for (auto const& one : it_.received) {
            if (one.arrived > d.from + receiver_lag || (!d.sender.empty() && one.sender != d.sender))
                continue;
            auto const* on_record = recorded(one);
            if (on_record == nullptr || on_record->committed > d.from)
                ++out_.in_flight;
        }
    }
}

} // namespace

findings check(evidence const& what) { return checking(what).run(); }

} // namespace klen::webhooks::faults
