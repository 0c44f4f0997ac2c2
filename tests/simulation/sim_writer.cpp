#include "simulation/sim_writer.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace klen::webhooks::simulation {

namespace {
constexpr std::size_t batch_max = 8;
constexpr int asks_before_publishers_are_told = 8;
} // namespace

std::vector<event_ptr> sim_writer::batch::list() const {
    std::vector<event_ptr> out;
    for (auto const& e : events)
        out.push_back(e.event);
    return out;
}

void sim_writer::later(std::chrono::nanoseconds wait, std::function<void()> what) {
    world_.after(wait, [this, what = std::move(what)] {
        if (machine_.dead())
            return;
        if (machine_.frozen())
            frozen_.push_back(what);
        else
            what();
    });
}

void sim_writer::go_on() {
    for (auto const& what : std::exchange(frozen_, {}))
        what();
}

void sim_writer::submit(event_ptr event, told answer) {
    if (closed_ || !gate) {
        answer(publish_answer::refused);
        return;
    }
    waiting_.push_back({std::move(event), std::move(answer)});
    next();
}

void sim_writer::next() {
    if (busy_ || waiting_.empty())
        return;
    busy_ = true;
    auto const b = std::make_shared<batch>();
    while (!waiting_.empty() && b->events.size() < batch_max) {
        b->events.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    later(std::chrono::microseconds(100), [this, b] {
        std::set<std::string_view> accounts;
        for (auto const& e : b->events)
            accounts.insert(e.event->account_id);
        b->granted = gate->current_grant(std::vector(accounts.begin(), accounts.end()));
        commit(b);
    });
}

void sim_writer::commit(batch_ptr const& b) {
    auto& chance = world_.chance;
    auto const way = chance.chance(weather_.slow_calls) ? chance.between(milliseconds(50), milliseconds(4000))
                                                        : milliseconds(chance.between(0, 2));
    // The statement is on its way, whatever becomes of the process.
    ++database_.commits_under_way;
    world_.after(way, [this, b] {
        --database_.commits_under_way;
        auto& luck = world_.chance;
        bool const cut = unreachable() || luck.chance(weather_.lost_calls);
        bool const busy = luck.chance(weather_.busy_calls);
        bool const arrives = !cut || (!unreachable() && luck.chance(0.5));
        if (arrives && !busy) {
            for (auto const& event : b->list())
                if (!database_.events.contains(event->id))
                    b->stored.push_back(event);
            auto born = std::make_shared<testing::model_database::born>(database_.insert(b->granted, b->list()));
            world_.log.note(world_.now(), mark::stored, machine_.slot(), b->events.size(), born->leased.size(),
                            born->parked.size());
            if (!cut) {
                later(milliseconds(luck.between(0, 2)), [this, b, born] { hand_over(b, std::move(*born)); });
                return;
            }
        } else if (busy && !cut) {
            later(milliseconds(1), [this, b] { tell(*b, publish_answer::refused); });
            return;
        }
        later(milliseconds(luck.between(1, 50)), [this, b] { ask(b); });
    });
}

/// A commit of which nobody knows: the database is asked for the events' ids until it answers. Publishers are told
/// after a while that it is not known.
void sim_writer::ask(batch_ptr const& b) {
    if (++b->asked == asks_before_publishers_are_told)
        for (auto const& e : b->events)
            e.answer(publish_answer::unknown);
    if (unreachable() || world_.chance.chance(weather_.lost_calls)) {
        auto const wait = b->asked < asks_before_publishers_are_told ? milliseconds(100) : milliseconds(500);
        later(wait, [this, b] { ask(b); });
        return;
    }
    auto const& events = b->events;
    bool const stored = std::all_of(events.begin(), events.end(),
                                    [this](one const& e) { return database_.events.contains(e.event->id); });
    if (stored)
        hand_over(b, database_.find_born(b->granted.owner, b->stored));
    else
        tell(*b, publish_answer::refused);
}

void sim_writer::hand_over(batch_ptr const& b, testing::model_database::born born) {
    if (gate) {
        if (!born.parked.empty())
            gate->note_parked({born.parked.begin(), born.parked.end()});
        if (!born.leased.empty())
            gate->take(b->granted.owner, std::move(born.leased));
    }
    tell(*b, publish_answer::accepted);
}

void sim_writer::tell(batch& b, publish_answer what) {
    for (auto const& e : b.events)
        e.answer(what);
    busy_ = false;
    next();
}

} // namespace klen::webhooks::simulation
