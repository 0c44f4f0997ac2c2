#include "simulation/trace.hpp"

#include "klen/webhooks/policy/attempt_result.hpp"
#include "klen/webhooks/policy/verdict.hpp"
#include "simulation/plan.hpp"
#include "support/modelled_store.hpp"

#include <array>
#include <cstdio>
#include <iostream>

namespace klen::webhooks::simulation {

namespace {

constexpr std::size_t kept_max = 400;

constexpr std::array<char const*, testing::calls_count> call_names{
    "register",     "heartbeat",       "instances", "reap",   "leave", "claim_due",
    "claim_parked", "parked_webhooks", "hand_back", "record", "load"};
constexpr std::array<char const*, 5> fate_names{"done", "lost before", "lost after", "busy", "refused"};
constexpr std::array<char const*, 4> answer_names{"accepted", "refused", "unknown", "no answer"};
constexpr std::array<char const*, 3> term_names{"begins", "leaves", "is given up by others"};
constexpr std::array<char const*, 6> life_names{"started", "failed to start", "stopping",
                                                "stopped", "killed",          "thawed"};

template <std::size_t N>
std::string name(std::array<char const*, N> const& of, std::uint64_t which) {
    return which < N ? of[which] : std::to_string(which);
}

std::string outcome(std::uint64_t code) {
    return code < 1000 ? std::to_string(code)
                       : std::string(policy::to_string(static_cast<policy::error_class>(code - 1000)));
}

} // namespace

void trace::note(steady_time at, mark what, int slot, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    auto const mix = [this](std::uint64_t v) { hash_ = (hash_ ^ v) * 0x100000001b3ULL ^ (hash_ >> 29); };
    mix(static_cast<std::uint64_t>(at.time_since_epoch().count()));
    mix(static_cast<std::uint64_t>(what) << 32 | static_cast<std::uint32_t>(slot));
    mix(a);
    mix(b);
    mix(c);
    ++notes_;
    if (what == mark::handler || what == mark::wake)
        return;
    entry const e{at, what, slot, a, b, c};
    if (aloud)
        std::cout << text(e);
    kept_.push_back(e);
    if (kept_.size() > kept_max)
        kept_.pop_front();
}

std::string trace::last(std::size_t count) const {
    std::string out;
    for (std::size_t i = kept_.size() > count ? kept_.size() - count : 0; i < kept_.size(); ++i)
        out += text(kept_[i]);
    return out;
}

std::string trace::text(entry const& e) {
    std::array<char, 64> start{};
    auto const since = e.at - steady_time(std::chrono::hours(1000));
    std::snprintf(start.data(), start.size(), "%11.6f s  %-3s ", std::chrono::duration<double>(since).count(),
                  e.slot < 0 ? "" : ("p" + std::to_string(e.slot)).c_str());
    std::string out = start.data();
    auto const a = std::to_string(e.a);
    auto const b = std::to_string(e.b);
    auto const c = std::to_string(e.c);
    switch (e.what) {
    case mark::handler:
    case mark::wake:
        break;
    case mark::published:
        out += "event " + a + " is published, try " + b;
        break;
    case mark::answered:
        out += "event " + a + ": " + name(answer_names, e.b);
        break;
    case mark::stored:
        out += a + " events stored, " + b + " deliveries born leased, " + c + " webhooks with parked ones";
        break;
    case mark::call:
        out += "database: " + name(call_names, e.a) + " " + name(fate_names, e.b);
        break;
    case mark::told:
        out += "answer:   " + name(call_names, e.a) + " " + name(fate_names, e.b);
        break;
    case mark::attempt:
        out += "delivery " + a + " attempt " + b + " begins";
        break;
    case mark::written:
        out += "delivery " + a + " attempt " + b + " is written";
        break;
    case mark::ended:
        out += "delivery " + a + " attempt " + b + " ends: " + outcome(e.c);
        break;
    case mark::recorded:
        out += "delivery " + a + " attempt " + b +
               " on record: " + std::string(policy::to_string(static_cast<policy::decision>(e.c)));
        break;
    case mark::instance:
        out += "instance " + a + " " + name(term_names, e.b);
        break;
    case mark::fault:
        out += "FAULT " + std::string(to_string(static_cast<fault_kind>(e.a))) + " " + b;
        break;
    case mark::process:
        out += "process " + a + " " + name(life_names, e.b);
        break;
    }
    return out + "\n";
}

} // namespace klen::webhooks::simulation
