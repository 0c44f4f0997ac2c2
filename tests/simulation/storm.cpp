#include "simulation/simulation.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace klen::webhooks::simulation {

namespace {

/// Faults that come and go; the others are probabilities that are set once.
constexpr std::array coming{fault_kind::database_outage,
                            fault_kind::partition,
                            fault_kind::kill,
                            fault_kind::stop,
                            fault_kind::freeze,
                            fault_kind::suspend,
                            fault_kind::pause,
                            fault_kind::thread_hang,
                            fault_kind::wall_jump,
                            fault_kind::database_jump,
                            fault_kind::webhook_changes,
                            fault_kind::burst};

} // namespace

void simulation::note_fault(fault_kind what, int at, std::int64_t detail) {
    world_.log.note(world_.now(), mark::fault, at, static_cast<std::uint64_t>(what),
                    static_cast<std::uint64_t>(detail));
    auto const harmless = {fault_kind::kill, fault_kind::stop, fault_kind::burst, fault_kind::webhook_changes,
                           fault_kind::wall_jump};
    if (std::find(harmless.begin(), harmless.end(), what) != harmless.end())
        weather_.disturb(world_.now()); // to others a delay
    else
        weather_.hinder(world_.now());
}

void simulation::begin_storm() {
    storming_ = true;
    set_probabilities();
    for (auto const what : coming)
        if (plan_.has(what))
            come(what);
}

void simulation::set_probabilities() {
    auto& chance = world_.chance;
    auto const set = [&](fault_kind which, double& p, double most) {
        if (plan_.has(which))
            p = chance.real() * most;
    };
    set(fault_kind::slow_database, weather_.slow_calls, 0.1);
    set(fault_kind::lost_answers, weather_.lost_calls, 0.15);
    set(fault_kind::busy_database, weather_.busy_calls, 0.2);
    set(fault_kind::stalled_calls, weather_.stalled_calls, 0.05);
    set(fault_kind::bad_answers, weather_.bad_answers, 0.7);
    set(fault_kind::slow_answers, weather_.slow_answers, 0.6);
    set(fault_kind::asking_receivers, weather_.asking_answers, 0.5);
    set(fault_kind::asking_receivers, weather_.gone_answers, 0.02);
    set(fault_kind::bad_connections, weather_.bad_connections, 0.5);
    set(fault_kind::local_failures, weather_.local_failures, 0.3);
    weather_.refuses_records = plan_.has(fault_kind::refused_records);
}

void simulation::come(fault_kind what) {
    auto const wait = world_.chance.between(milliseconds(10), plan_.fault_spacing * 2);
    world_.after(wait, [this, what] {
        if (!storming_)
            return;
        strike(what);
        come(what);
    });
}

void simulation::strike(fault_kind what) {
    switch (what) {
    case fault_kind::database_outage:
    case fault_kind::database_jump:
        strike_database(what);
        break;
    case fault_kind::webhook_changes:
        change_webhook();
        break;
    case fault_kind::burst:
        note_fault(what, -1);
        publish_some(10 + world_.chance.below(40), milliseconds(200));
        break;
    default:
        strike_process(what);
    }
}

void simulation::strike_process(fault_kind what) {
    auto& chance = world_.chance;
    auto const at = any_slot();
    auto const& lives = slots_[at].lives;
    if (!lives)
        return;
    auto const time = chance.between(milliseconds(50), plan_.options.dispatch.lease_timeout * 2);
    note_fault(what, static_cast<int>(at), time.count());
    switch (what) {
    case fault_kind::kill:
        kill_soon(at);
        break;
    case fault_kind::stop:
        if (!lives->host().frozen())
            lives->stop();
        break;
    case fault_kind::freeze:
        stand_still(at, standstill::stopped, time);
        break;
    case fault_kind::suspend:
        stand_still(at, standstill::suspended, time);
        break;
    case fault_kind::pause:
        stand_still(at, standstill::paused, time);
        break;
    case fault_kind::thread_hang:
        hang_thread(at, time);
        break;
    case fault_kind::wall_jump:
        lives->host().turn_wall_clock(chance.between(milliseconds(-3'600'000), milliseconds(3'600'000)));
        break;
    default:
        cut(lives->database().way, time);
    }
}

/// In the middle of what it does just then: some handlers later, those of others included.
void simulation::kill_soon(std::size_t at) { dooms_.push_back({at, slots_[at].life, world_.chance.below(60)}); }

void simulation::stand_still(std::size_t at, standstill how, milliseconds time) {
    auto const& lives = slots_[at].lives;
    if (lives->host().frozen())
        return;
    lives->freeze(how);
    auto const life = slots_[at].life;
    world_.after(time, [this, at, life] {
        if (slots_[at].life != life || !slots_[at].lives->host().frozen())
            return;
        weather_.hinder(world_.now());
        slots_[at].lives->thaw();
    });
}

void simulation::hang_thread(std::size_t at, milliseconds time) {
    auto& threads = slots_[at].lives->host().threads;
    auto const which = world_.chance.below(threads.size());
    threads[which]->held = true;
    auto const life = slots_[at].life;
    world_.after(time, [this, at, which, life] {
        weather_.hinder(world_.now());
        if (slots_[at].life == life)
            slots_[at].lives->host().threads[which]->held = false;
    });
}

/// `which` outlives the end of its process.
void simulation::cut(link& which, milliseconds time) {
    which.cut = true;
    which.silent = world_.chance.chance(0.5);
    world_.after(time, [this, &which] {
        weather_.hinder(world_.now());
        which.cut = false;
    });
}

void simulation::strike_database(fault_kind what) {
    auto& chance = world_.chance;
    if (what == fault_kind::database_outage) {
        auto const time = chance.between(milliseconds(100), plan_.options.dispatch.lease_timeout * 2);
        note_fault(what, -1, time.count());
        cut(weather_.database, time);
        return;
    }
    auto const by = chance.between(milliseconds(-3'600'000), milliseconds(3'600'000));
    note_fault(what, -1, by.count());
    weather_.database_offset += by;
    weather_.database_offset_most = std::max(weather_.database_offset_most, weather_.database_offset);
    weather_.database_jumped = world_.now();
}

void simulation::change_webhook() {
    auto& chance = world_.chance;
    auto const id = webhooks_[chance.below(webhooks_.size())];
    auto& w = database_.webhooks.at(id);
    auto const kind = chance.below(8);
    note_fault(fault_kind::webhook_changes, -1, static_cast<std::int64_t>(kind));
    ++w.revision;
    if (kind == 0)
        w.deleted = true;
    else
        w.enabled = !w.enabled;
    tell_changes(id);
}

/// An operator who enables what was disabled; a 410 of the storm may be recorded late.
void simulation::keep_enabled() {
    for (auto& [id, w] : database_.webhooks)
        if (!std::exchange(w.enabled, true))
            tell_changes(id);
    world_.after(seconds(1), [this] { keep_enabled(); });
}

void simulation::calm_down() {
    storming_ = false;
    weather_.clear();
    weather_.hinder(world_.now());
    if (plan_.has(fault_kind::database_jump))
        weather_.database_jumped = world_.now();
    dooms_.clear();
    keep_enabled();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        auto const& lives = slots_[i].lives;
        if (!lives) {
            begin_life(i);
            continue;
        }
        lives->database().way.cut = false;
        if (lives->host().frozen())
            lives->thaw();
        for (auto const& thread : lives->host().threads)
            thread->held = false;
        // What the database has refused to record stays leased until its process has ended.
        if (plan_.has(fault_kind::refused_records))
            lives->stop();
    }
}

} // namespace klen::webhooks::simulation
