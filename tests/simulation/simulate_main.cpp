// Runs seeds, prints the ones that fail, and says how many there were.

#include "simulation/simulation.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

namespace {

using klen::webhooks::simulation::outcome;
using klen::webhooks::simulation::simulation;

constexpr std::string_view usage =
    "klen_simulate --seeds FROM..TO [--failures N]   runs them; stops after N that fail (1)\n"
    "klen_simulate --seed N [--trace]                runs one; --trace writes what happens\n";

struct wishes {
    std::uint64_t from = 1;
    std::uint64_t to = 500;
    std::uint64_t failures = 1;
    bool aloud = false;
};

bool number(std::string_view text, std::uint64_t& out) {
    auto const* end = text.data() + text.size();
    auto const read = std::from_chars(text.data(), end, out);
    return read.ec == std::errc{} && read.ptr == end;
}

bool range(std::string_view text, wishes& out) {
    auto const dots = text.find("..");
    return dots != std::string_view::npos && number(text.substr(0, dots), out.from) &&
           number(text.substr(dots + 2), out.to) && out.from <= out.to;
}

bool parse(int count, char** words, wishes& out) {
    for (int i = 1; i < count; ++i) {
        std::string_view const word = words[i];
        std::string_view const next = i + 1 < count ? words[i + 1] : "";
        if (word == "--trace") {
            out.aloud = true;
            continue;
        }
        bool good = false;
        if (word == "--seeds")
            good = range(next, out);
        else if (word == "--failures")
            good = number(next, out.failures);
        else if (word == "--seed")
            good = range(std::string(next) + ".." + std::string(next), out);
        if (!good)
            return false;
        ++i;
    }
    return true;
}

void report(outcome const& o) {
    std::cout << "FAILED " << o.violation << "\n"
              << o.plan << "last events:\n"
              << o.last_events << "again: klen_simulate --seed " << o.seed << " --trace\n"
              << std::flush;
}

} // namespace

int main(int count, char** words) {
    wishes wanted;
    if (!parse(count, words, wanted)) {
        std::cerr << usage;
        return 2;
    }
    auto const began = std::chrono::steady_clock::now();
    std::uint64_t seeds = 0, failed = 0, steps = 0, deliveries = 0, attempts = 0, excused = 0, timed = 0;
    for (auto seed = wanted.from; seed <= wanted.to && failed < wanted.failures; ++seed) {
        auto const o = simulation(seed).run(wanted.aloud);
        ++seeds;
        steps += o.steps;
        deliveries += o.deliveries;
        attempts += o.counts.attempts;
        excused += o.counts.excused;
        timed += o.counts.retries_timed;
        if (wanted.from == wanted.to)
            std::cout << "trace " << std::hex << o.trace_hash << std::dec << "\n";
        if (!o.violation.empty()) {
            ++failed;
            report(o);
        }
    }
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - began;
    std::cout << seeds << " seeds, " << failed << " failed, " << took.count() << " s: " << steps << " steps, "
              << deliveries << " deliveries, " << attempts << " attempts, " << excused << " sent and not on record, "
              << timed << " retries timed\n";
    return failed == 0 ? 0 : 1;
}
