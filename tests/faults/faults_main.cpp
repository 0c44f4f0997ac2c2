// One case of the fault harness: klen_faults --case NAME [--seed N] [--rounds N | --minutes N] [--rate N] …
#include "faults/cases.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include <unistd.h>

namespace klen::webhooks::faults {

std::vector<fault_case> const& all_cases() {
    static std::vector<fault_case> const all{
        {"kill", "kill -9 of the only instance at random moments; rounds: kills", kill_under_load},
        {"kill_one_of_three", "kill -9 of one of three instances, default leases; rounds: kills", kill_one_of_three},
        {"rolling_stop", "SIGTERM of each of three instances; rounds: of all three", rolling_stop},
        {"freeze", "SIGSTOP past the lease, then SIGCONT; rounds: freezes", freeze},
        {"database_restart", "PostgreSQL stopped, fast and immediately; rounds: stops", database_restart},
        {"cut_intake", "links cut around the commit of events; rounds: cuts", cut_intake},
        {"cut_outcomes", "links cut around the commit of outcomes; rounds: cuts", cut_outcomes},
        {"cut_claims", "links cut around the commit of claims; rounds: cuts", cut_claims},
        {"broken_links", "RST, half-close, one byte a second; rounds: of one of them", broken_links},
        {"black_hole", "PostgreSQL unreachable without a RST; minutes: how long", black_hole},
        {"dropped_packets", "the same, and no packet is acknowledged either; minutes: how long", dropped_packets},
        {"clocks", "PostgreSQL's and a daemon's clock jump by an hour; rounds: of four jumps", clocks},
        {"clock_steps", "PostgreSQL's clock jumps by seconds while receivers fail; rounds: of four jumps", clock_steps},
        {"slow_commits", "every answer of PostgreSQL 500 ms later; minutes: how long", slow_commits},
        {"slow_disk", "every fsync of PostgreSQL 500 ms longer; minutes: how long", slow_fsync},
        {"held_transaction", "somebody else keeps a snapshot; minutes: how long", held_transaction},
        {"upgrade", "migrated under load, past somebody's long transaction; rounds: migrations", upgrade},
        {"closing_receivers", "connections closed 0 to 50 ms after an answer; minutes: how long", closing_receivers},
        {"neighbours", "other accounts' webhooks hang, are flooded, drip; minutes: how long", neighbours},
        {"disk_full", "no room on PostgreSQL's disk; minutes: how long", disk_full},
        {"no_descriptors", "EMFILE by prlimit; rounds: of 2 s", no_descriptors},
        {"no_memory", "ENOMEM by prlimit; rounds: of 2 s", no_memory}};
    return all;
}

namespace {

constexpr int exit_skipped = 77;

void print(findings const& found) {
    std::cout << "  events: " << found.accepted << " accepted, " << found.refused << " refused, " << found.unclear
              << " never clear; deliveries: " << found.delivered << " delivered, " << found.failed << " failed; "
              << found.requests << " requests, " << found.repeats << " repeats; " << found.retries << " retries, p99 "
              << in_ms(found.retry_p99) << " after their time, latest " << in_ms(found.latest_retry) << "\n";
}

int run(fault_case const& which, run_options how, bool keep) {
    auto const begun = std::chrono::steady_clock::now();
    report out;
    try {
        which.run(how, out);
    } catch (skipped const& why) {
        std::cout << which.name << ": skipped: " << why.what() << "\n";
        std::filesystem::remove_all(how.folder);
        return exit_skipped;
    } catch (std::exception const& e) {
        out.violation(std::string("the run broke off: ") + e.what());
    }
    auto const took = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun);
    auto const bad = out.violations.size() + out.found.violations_in_all;
    std::cout << which.name << ", seed " << how.seed << ": " << (bad == 0 ? "held" : "VIOLATED") << " in "
              << took.count() << " s\n";
    for (auto const& line : out.figures)
        std::cout << "  " << line << "\n";
    print(out.found);
    for (auto const* lines : {&out.violations, &out.found.violations})
        for (auto const& line : *lines)
            std::cout << "  VIOLATION " << line << "\n";
    if (bad == 0 && !keep) {
        std::error_code ignored;
        std::filesystem::remove_all(how.folder, ignored);
        return 0;
    }
    std::cout << "  evidence: " << how.folder << "; again: scripts/faults --case " << which.name << " --seed "
              << how.seed << "\n";
    return bad == 0 ? 0 : 1;
}

int usage() {
    std::cerr << "klen_faults --list | --case NAME [--seed N] [--rounds N | --minutes N] [--rate EVENTS_PER_SECOND]"
                 " [--hold SECONDS] [--folder PATH] [--keep] [--no-fsync]\n";
    return 2;
}

int start(std::vector<std::string> const& words) {
    run_options how;
    if (auto const* seed = std::getenv("KLEN_FAULTS_SEED"))
        how.seed = std::stoull(seed);
    std::string name;
    bool keep = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        auto const& word = words[i];
        auto const has_value = i + 1 < words.size();
        if (word == "--list") {
            for (auto const& one : all_cases())
                std::cout << one.name << std::string(20 - std::strlen(one.name), ' ') << one.what << "\n";
            return 0;
        }
        bool const stands_alone = word == "--keep" || word == "--no-fsync";
        if (!stands_alone && !has_value)
            return usage();
        if (word == "--keep")
            keep = true;
        else if (word == "--no-fsync")
            how.fsync = false;
        else if (word == "--case")
            name = words[++i];
        else if (word == "--seed")
            how.seed = std::stoull(words[++i]);
        else if (word == "--rounds")
            how.rounds = std::stoi(words[++i]);
        else if (word == "--minutes")
            how.minutes = std::stod(words[++i]);
        else if (word == "--rate")
            how.rate = std::stoi(words[++i]);
        else if (word == "--hold")
            how.hold = std::chrono::milliseconds(static_cast<std::int64_t>(std::stod(words[++i]) * 1000));
        else if (word == "--folder")
            how.folder = words[++i];
        else
            return usage();
    }
    if (how.folder.empty())
        how.folder = "/tmp/klen-faults-" + name + "-" + std::to_string(how.seed) + "-" + std::to_string(::getpid());
    if (std::filesystem::exists(how.folder)) { // the logs of another run would be taken for this one's
        std::cerr << "klen_faults: " << how.folder << " is there already\n";
        return 2;
    }
    for (auto const& one : all_cases())
        if (name == one.name)
            return run(one, how, keep);
    return usage();
}

} // namespace

} // namespace klen::webhooks::faults

int main(int argc, char** argv) {
    try {
        return klen::webhooks::faults::start({argv + 1, argv + argc});
    } catch (std::exception const& e) {
        std::cerr << "klen_faults: " << e.what() << "\n";
        return 2;
    }
}
