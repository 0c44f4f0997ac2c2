#include "app/operational_events.hpp"

#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/event/json_body.hpp"

namespace klen::webhooks::app {

namespace {

using refusal_kind = intake::refusal::kind;

/// Our own failures, too, for a day: then whatever is wrong with it is not going to mend itself.
bool may_succeed_later(store::operational_event const& event, refusal_kind why) {
    if (why == refusal_kind::failed)
        return event.created_at > system_clock().wall() - hours(24);
    return why == refusal_kind::overloaded || why == refusal_kind::unavailable || why == refusal_kind::shutting_down;
}

/// A refusal that a repeat would meet again: kept, it would hold up all that come after it.
void note_loss(store::operational_event const& event, intake::refusal const& why) {
    log::error("an operational event cannot be published and is dropped",
               {{"event_type", event.event_type}, {"outbox_id", event.outbox_id}, {"error.message", why.message}});
}

} // namespace

std::string publish_text(store::operational_event const& event) {
    std::string out = R"({"event_type":)";
    event::append_json_string(out, event.event_type);
    out.append(R"(,"payload":)").append(event.payload).append(R"(,"id":)");
    event::append_json_string(out, event.outbox_id);
    out += R"(,"timestamp":)";
    event::append_json_string(out, rfc3339_ms(event.created_at));
    return out += '}';
}

/// The ids of those that are done with.
task<std::vector<std::string>> operational_events::publish(std::vector<store::operational_event> events) {
    std::string json = "[";
    for (auto const& event : events)
        json.append(json.size() == 1 ? "" : ",").append(publish_text(event));
    json += ']';
    intake::publisher who{account_id_, true};
    auto const answers = co_await to_.publish_batch(std::move(who), std::move(json), events.size());
    std::vector<std::string> done;
    if (auto const* whole = std::get_if<intake::refusal>(&answers)) {
        log::error("the operational events are refused", {{"error.message", whole->message}});
        co_return done;
    }
    auto const& each = std::get<std::vector<intake::publish_answer>>(answers);
    for (std::size_t i = 0; i < events.size(); ++i) {
        auto const* no = std::get_if<intake::refusal>(&each[i]);
        if (no != nullptr && may_succeed_later(events[i], no->why))
            continue;
        if (no != nullptr)
            note_loss(events[i], *no);
        else
            published_.fetch_add(1, std::memory_order_relaxed);
        done.push_back(events[i].outbox_id);
    }
    co_return done;
}

task<result<std::size_t>> operational_events::publish_some() {
    auto found = co_await from_.operational_events(batch);
    if (!found)
        co_return found.error();
    waiting_.store(found->size(), std::memory_order_relaxed);
    std::vector<std::string> done;
    for (auto const& event : *found)
        done.push_back(event.outbox_id);
    if (!account_id_.empty() && !done.empty())
        done = co_await publish(std::move(*found));
    auto const count = done.size();
    if (count == 0)
        co_return count;
    auto const forgotten = co_await from_.forget_operational(std::move(done));
    if (!forgotten)
        co_return forgotten.error();
    waiting_.fetch_sub(count, std::memory_order_relaxed);
    co_return count;
}

} // namespace klen::webhooks::app
