#include "simulation/checker.hpp"

#include "simulation/identity.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace klen::webhooks::simulation {

using policy::decision;
using policy::error_class;

namespace {

template <class Id>
std::string shown(Id const& id) {
    return std::to_string(number_of(id.value));
}

std::string_view header(std::string_view headers, std::string_view name) {
    auto const at = headers.find(name);
    if (at == std::string_view::npos)
        return {};
    auto const from = at + name.size();
    return headers.substr(from, headers.find("\r\n", from) - from);
}

/// Settled without a request.
bool needs_no_request(error_class why) {
    return why == error_class::webhook_deleted || why == error_class::event_expired ||
           why == error_class::url_not_allowed;
}

std::string seconds_text(std::chrono::nanoseconds of) {
    return std::to_string(std::chrono::duration<double>(of).count()) + " s";
}

} // namespace

void checker::fail(std::string what) {
    if (violation_.empty())
        violation_ = std::move(what);
}

// --- processes -------------------------------------------------------------------------------------------------------

void checker::process_began(std::size_t who, int slot) {
    runners_.resize(std::max(runners_.size(), who + 1));
    runners_[who].slot = slot;
}

void checker::excuse_all(std::size_t who, excuse why) {
    for (auto& a : attempts_)
        if (a.who == who && !a.on_record && a.why == excuse::none)
            a.why = why;
}

void checker::process_killed(std::size_t who) {
    runners_[who].dead = true;
    excuse_all(who, excuse::killed);
}

void checker::process_stopped(std::size_t who, steady_time began) {
    runners_[who].dead = true;
    auto const took = world_.now() - began;
    auto const& limits = plan_.options;
    bool const calm = weather_.hindered + limits.dispatch.lease_timeout < began;
    if (calm && took > limits.dispatch.shutdown_timeout + milliseconds(500))
        fail("a shutdown took " + seconds_text(took));
    for (auto& a : attempts_) {
        if (a.who != who || a.on_record || a.why != excuse::none)
            continue;
        bool const had_time = limits.dispatch.shutdown_timeout >= limits.delivery.attempt_timeout + seconds(2);
        if (calm && had_time)
            fail("delivery " + shown(a.delivery) + " attempt " + std::to_string(a.number) +
                 " was not on record at the end of a graceful shutdown, and nothing had disturbed it");
        a.why = excuse::shutdown;
    }
}

void checker::process_thawed(std::size_t who, standstill was) {
    // Its own clocks say that no time has passed: it believes in its lease until that has run out by them.
    if (was == standstill::paused)
        runners_[who].believes_until = world_.now() + plan_.options.dispatch.lease_timeout;
}

void checker::look_at(std::size_t who, dispatch::dispatch_stats const& stats) {
    auto const& limits = plan_.options.dispatch;
    if (stats.in_memory > limits.deliveries_in_memory_max)
        fail("process " + std::to_string(who) + " holds " + std::to_string(stats.in_memory) + " deliveries in memory");
    if (stats.in_flight + stats.unrecorded > limits.unrecorded_outcomes_max)
        fail("process " + std::to_string(who) + " has " + std::to_string(stats.in_flight + stats.unrecorded) +
             " requests and outcomes that are not on record");
    if (stats.in_memory * 4 >= std::uint64_t{limits.deliveries_in_memory_max} * 3 ||
        stats.in_flight + stats.unrecorded >= limits.unrecorded_outcomes_max ||
        stats.bytes_in_memory * 4 >= limits.bytes_in_memory_max * 3)
        runners_[who].crowded = world_.now();
}

// --- attempts --------------------------------------------------------------------------------------------------------

std::size_t checker::attempt_begins(std::size_t who, egress::post_request const& request) {
    auto const place = attempts_.size();
    auto& a = attempts_.emplace_back();
    ++counts_.attempts;
    a.who = who;
    a.begun = world_.now();
    a.host = request.to->host;
    if (auto const id = delivery_id::parse(header(request.headers, "X-Klen-Delivery-ID: ")))
        a.delivery = *id;
    auto const number = header(request.headers, "X-Klen-Attempt: ");
    std::from_chars(number.data(), number.data() + number.size(), a.number);
    auto const row = database_.deliveries.find(a.delivery);
    if (row == database_.deliveries.end()) {
        fail("a request for a delivery that does not exist: " + std::string(request.headers));
        return place;
    }
    a.webhook = row->second.webhook;
    a.term = row->second.owner;
    attempts_of_[a.delivery].push_back(place);
    world_.log.note(world_.now(), mark::attempt, runners_[who].slot, number_of(a.delivery.value),
                    static_cast<std::uint64_t>(a.number));
    if (world_.now() < runners_[who].believes_until && !is_owner(who, a.term))
        a.why = excuse::given_up;
    check_row(a, request);
    check_places(a);
    return place;
}

bool checker::is_owner(std::size_t who, std::int64_t term_id) const {
    auto const at = terms_.find(term_id);
    return at != terms_.end() && at->second.who == who;
}

void checker::check_row(attempt const& a, egress::post_request const& request) {
    auto const& d = database_.deliveries.at(a.delivery);
    auto const what = "delivery " + shown(a.delivery) + " attempt " + std::to_string(a.number);
    if (request.body != d.event->body)
        fail(what + ": its body is not that of its event");
    if (database_.webhooks.at(d.webhook).url.find(request.to->path_and_query) == std::string::npos)
        fail(what + ": sent to another webhook");
    if (refused_.contains(d.event->id))
        fail(what + ": its event was refused");
    if (a.number != d.attempts_made + 1 && world_.now() >= runners_[a.who].believes_until)
        fail(what + ": " + std::to_string(d.attempts_made) + " attempts are on record");
    check_due(a, d);
}

void checker::check_places(attempt const& a) {
    auto& r = runners_[a.who];
    auto const& limits = plan_.options.dispatch;
    auto const& own_limit = database_.webhooks.at(a.webhook).max_concurrency;
    auto const webhook_max =
        std::min(limits.webhook_concurrency_max, static_cast<std::uint32_t>(own_limit.value_or(1 << 20)));
    auto const shards = static_cast<std::uint32_t>(plan_.io_threads);
    auto const host_share = std::max(limits.host_concurrency_max / shards, 1U); // the least that one thread may have
    auto const by_webhook = ++r.open_by_webhook[a.webhook];
    auto const by_host = ++r.open_by_host[a.host];
    if (by_webhook >= webhook_max)
        r.webhook_busy[a.webhook] = world_.now();
    if (by_host >= host_share)
        r.host_busy[a.host] = world_.now();
    // Of a host that is half full a webhook gets no place that has some already and answers nothing.
    auto const kept = host_share < 4 ? 0 : (host_share + 7) / 8;
    if (by_host * 2 + kept >= host_share)
        r.host_half_full[a.host] = world_.now();
    r.webhook_open[a.webhook] = world_.now();
    if (by_webhook > webhook_max)
        fail("webhook " + shown(a.webhook) + " has " + std::to_string(by_webhook) + " requests at once");
    if (by_host > limits.host_concurrency_max)
        fail("host " + a.host + " has " + std::to_string(by_host) + " requests at once");
}

/// Not before its time, and when nothing was in its way, at its time.
void checker::check_due(attempt const& a, testing::model_delivery const& d) {
    auto const due = due_.find(a.delivery);
    if (due == due_.end() || world_.now() < runners_[a.who].believes_until)
        return;
    bool const clock_jumped = weather_.database_jumped != steady_time{};
    if (a.begun < due->second && !clock_jumped)
        fail("delivery " + shown(a.delivery) + " attempt " + std::to_string(a.number) + " began " +
             seconds_text(due->second - a.begun) + " before it was due");
    check_late(a, d);
}

void checker::check_late(attempt const& a, testing::model_delivery const& d) {
    // A record that took its time puts it off by that much: the wait is counted from the moment it is sent.
    auto const due = std::max(due_.at(a.delivery), d.next_attempt - weather_.database_offset);
    auto const& limits = plan_.options.dispatch;
    auto const& r = runners_[a.who];
    auto const since = [&](auto const& times, auto const& key) {
        auto const at = times.find(key);
        return at != times.end() && at->second >= due;
    };
    auto const open_now = r.open_by_webhook.find(a.webhook);
    bool const has_some =
        since(r.webhook_open, a.webhook) || (open_now != r.open_by_webhook.end() && open_now->second > 0);
    auto const healed = weather_.disturbed + limits.lease_timeout + limits.heartbeat_interval * 2 + seconds(5);
    bool const parked = d.parked_at - weather_.database_offset >= due;
    if (healed > due || parked || since(held_up_, a.delivery) || r.crowded >= due || since(r.webhook_busy, a.webhook) ||
        since(r.host_busy, a.host) || (since(r.host_half_full, a.host) && has_some))
        return;
    ++counts_.retries_timed;
    if (a.begun > due + milliseconds(1100))
        fail("delivery " + shown(a.delivery) + " attempt " + std::to_string(a.number) + " began " +
             seconds_text(a.begun - due) + " after it was due, and nothing was in its way");
}

void checker::attempt_is_written(std::size_t which) {
    auto& a = attempts_[which];
    a.written = true;
    auto const& d = database_.deliveries.at(a.delivery);
    auto const& r = runners_[a.who];
    world_.log.note(world_.now(), mark::written, r.slot, number_of(a.delivery.value),
                    static_cast<std::uint64_t>(a.number));
    if (world_.now() < r.believes_until) {
        if (!is_owner(a.who, d.owner))
            a.why = excuse::given_up;
        return;
    }
    auto const what = "delivery " + shown(a.delivery) + " attempt " + std::to_string(a.number);
    if (d.finished)
        fail(what + " was sent when the delivery was " + std::string(policy::to_string(d.ended_as())));
    else if (!is_owner(a.who, d.owner))
        fail(what + " was sent without a lease: the row belongs to " + std::to_string(d.owner));
}

void checker::close(attempt& a) {
    auto& r = runners_[a.who];
    a.open = false;
    a.ended_at = world_.now();
    --r.open_by_webhook[a.webhook];
    --r.open_by_host[a.host];
    if (auto const at = r.webhook_busy.find(a.webhook); at != r.webhook_busy.end())
        at->second = world_.now();
    for (auto* const full : {&r.host_busy, &r.host_half_full})
        if (auto const at = full->find(a.host); at != full->end())
            at->second = world_.now();
    r.webhook_open[a.webhook] = world_.now();
}

void checker::attempt_ended(std::size_t which, policy::attempt_result const& result) {
    auto& a = attempts_[which];
    close(a);
    a.error = result.error;
    a.status = result.status;
    a.asked_for = result.retry_after.value_or(seconds(0));
    if (result.error == error_class::local_failure) {
        a.why = excuse::not_an_attempt;
        held_up_[a.delivery] = world_.now();
    }
    auto const code = result.status != 0 ? static_cast<std::uint64_t>(result.status)
                                         : 1000 + static_cast<std::uint64_t>(result.error);
    world_.log.note(world_.now(), mark::ended, runners_[a.who].slot, number_of(a.delivery.value),
                    static_cast<std::uint64_t>(a.number), code);
}

void checker::attempt_dropped(std::size_t which) {
    auto& a = attempts_[which];
    if (a.open)
        close(a);
}

// --- events ----------------------------------------------------------------------------------------------------------

void checker::accepted(event_id id) {
    accepted_.insert(id);
    if (!database_.events.contains(id))
        fail("event " + shown(id) + " was accepted and is not stored");
}

// --- the database ----------------------------------------------------------------------------------------------------

void checker::instance_began(instance_id id, std::string const& name) {
    std::size_t who = 0;
    std::from_chars(name.data(), name.data() + name.size(), who);
    terms_[id.value] = {who, world_.now()};
    world_.log.note(world_.now(), mark::instance, runners_[who].slot, static_cast<std::uint64_t>(id.value), 0);
}

void checker::heartbeat_came(instance_id id) { terms_[id.value].heartbeat = world_.now(); }

void checker::instance_ends(instance_id id, bool given_up) {
    auto const& t = terms_.at(id.value);
    auto& r = runners_[t.who];
    world_.log.note(world_.now(), mark::instance, r.slot, static_cast<std::uint64_t>(id.value), given_up ? 2 : 1);
    if (!given_up)
        return;
    auto const& limits = plan_.options.dispatch;
    auto const silent_for = world_.now() - t.heartbeat;
    bool const expired = silent_for >= limits.lease_timeout;
    // The database's clock says so, and two heartbeats did not come.
    bool const jumped = weather_.database_jumped > t.heartbeat && silent_for >= limits.heartbeat_interval * 2;
    if (!expired && !jumped)
        fail("instance " + std::to_string(id.value) + " was given up " + seconds_text(silent_for) +
             " after its heartbeat");
    if (!expired) // it has no way to know that
        r.believes_until = world_.now() + limits.lease_timeout;
    for (auto& a : attempts_)
        if (a.term == id.value && !a.on_record && a.why == excuse::none)
            a.why = excuse::given_up;
}

void checker::recorded(testing::model_delivery const& d, testing::model_attempt const& a) {
    auto const what = "delivery " + shown(d.id) + " attempt " + std::to_string(a.attempt);
    world_.log.note(world_.now(), mark::recorded, -1, number_of(d.id.value), static_cast<std::uint64_t>(a.attempt),
                    static_cast<std::uint64_t>(a.decision));
    due_.erase(d.id);
    if (a.attempt != static_cast<int>(d.attempts.size()))
        fail(what + " is number " + std::to_string(d.attempts.size()) + " on record");
    if (d.attempts.size() > 1 && d.attempts[d.attempts.size() - 2].decision != decision::retry)
        fail(what + " was recorded after the end of its delivery");
    if (needs_no_request(a.error))
        return;
    auto const who = terms_.at(a.instance).who;
    attempt* found = nullptr; // that of this very term, if there are several
    for (auto const place : attempts_of_[d.id])
        if (auto& one = attempts_[place]; one.who == who && one.number == a.attempt && !one.on_record && !one.open)
            if (!found || one.term == a.instance)
                found = &one;
    if (!found) {
        fail(what + " is on record, and nobody made it");
        return;
    }
    found->on_record = true;
    found->why = excuse::none;
    if (found->error != a.error || found->status != a.status)
        fail(what + " is on record with another result than it had");
    if (a.decision == decision::retry) {
        auto const& schedule = plan_.options.delivery.retry_schedule;
        std::chrono::nanoseconds const wait = schedule.at(static_cast<std::size_t>(a.attempt - 1));
        auto const waits = std::max<std::chrono::nanoseconds>(wait, found->asked_for);
        due_[d.id] = found->ended_at + waits;
        if (d.next_attempt - weather_.database_offset > world_.now() + waits)
            fail(what + ": the next one waits longer than it has to");
    }
}

void checker::record_refused(delivery_id id) {
    for (auto const place : attempts_of_[id])
        if (auto& a = attempts_[place]; !a.on_record && a.why == excuse::none && !a.open)
            a.why = excuse::refused;
}

// --- the end ---------------------------------------------------------------------------------------------------------

void checker::check_attempts() {
    for (auto const& a : attempts_) {
        auto const what = "delivery " + shown(a.delivery) + " attempt " + std::to_string(a.number);
        if (a.open && !runners_[a.who].dead)
            fail(what + " never ended");
        if (!a.on_record && a.why == excuse::none)
            fail(what + " was made, is not on record, and nothing excuses that");
        if (!a.on_record && a.written)
            ++counts_.excused;
    }
}

void checker::check_deliveries() {
    auto const attempts_max = plan_.options.delivery.retry_schedule.size() + 1;
    for (auto const& [id, d] : database_.deliveries) {
        auto const what = "delivery " + shown(id) + " of event " + shown(d.event->id);
        if (!d.finished) {
            std::ostringstream why;
            why << what << " is neither delivered nor failed: owner " << d.owner << (d.parked ? ", parked, " : ", ")
                << d.attempts_made << " attempts, webhook " << shown(d.webhook);
            fail(why.str());
        } else if (d.ended_as() == decision::failed && d.attempts.size() != attempts_max) {
            fail(what + " failed after " + std::to_string(d.attempts.size()) + " attempts");
        } else if (d.ended_as() == decision::cancelled && !database_.webhooks.at(d.webhook).deleted) {
            fail(what + " was cancelled, but its webhook is there");
        }
    }
}

void checker::at_the_end() {
    check_deliveries();
    check_attempts();
    for (auto const& id : accepted_)
        if (refused_.contains(id) || !database_.events.contains(id))
            fail("event " + shown(id) + " was accepted and is lost");
    for (auto const& id : refused_)
        if (database_.events.contains(id))
            fail("event " + shown(id) + " was refused and is stored");
}

} // namespace klen::webhooks::simulation
