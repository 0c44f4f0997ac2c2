#pragma once

#include "faults/checker.hpp"
#include "faults/stage.hpp"

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace klen::webhooks::faults {

/// Thrown where the machine does not let a case happen.
struct skipped : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the command line says of a run.
struct run_options {
    std::uint64_t seed = 1;
    std::string folder;                ///< evidence
    std::optional<int> rounds;         ///< how often the fault happens; else the case's own number
    std::optional<double> minutes;     ///< or for how long
    std::optional<int> rate;           ///< events a second
    std::chrono::milliseconds hold{0}; ///< a freeze lasts so long at least
    bool fsync = true;
};

/// What a case found.
struct report {
    findings found;
    std::vector<std::string> violations; ///< of the case's own figures
    std::vector<std::string> figures;    ///< lines for people
    void figure(std::string line) { figures.push_back(std::move(line)); }
    void violation(std::string line) { violations.push_back(std::move(line)); }
};

struct fault_case {
    char const* name;
    char const* what; ///< a line for `--list`
    std::function<void(run_options const&, report&)> run;
};
std::vector<fault_case> const& all_cases();

void kill_under_load(run_options const& how, report& out);
void kill_one_of_three(run_options const& how, report& out);
void rolling_stop(run_options const& how, report& out);
void freeze(run_options const& how, report& out);
void database_restart(run_options const& how, report& out);
void cut_intake(run_options const& how, report& out);
void cut_outcomes(run_options const& how, report& out);
void cut_claims(run_options const& how, report& out);
void broken_links(run_options const& how, report& out);
void black_hole(run_options const& how, report& out);
void slow_commits(run_options const& how, report& out);
void slow_fsync(run_options const& how, report& out);
void closing_receivers(run_options const& how, report& out);
void disk_full(run_options const& how, report& out);
void no_descriptors(run_options const& how, report& out);
void no_memory(run_options const& how, report& out);
void dropped_packets(run_options const& how, report& out);
void clocks(run_options const& how, report& out);
void clock_steps(run_options const& how, report& out);
void held_transaction(run_options const& how, report& out);
void upgrade(run_options const& how, report& out);
void neighbours(run_options const& how, report& out);

/// Waits for everything to be done, then reconciles it all; the verdict goes into `out`.
void conclude(stage& on, report& out, std::chrono::milliseconds bound,
              std::function<void(evidence&)> const& adjust = {});
/// What all publishers together saw in the seconds of [from, to).
publisher::second tally(stage const& on, wall_us from, wall_us to);
/// What there is of each in a second.
struct pace {
    double accepted = 0; ///< events
    double requests = 0; ///< at the receiver
};
/// Blocks for `time`, and tells the pace of that.
pace pace_over(stage const& on, std::chrono::milliseconds time);
/// How many items of calls got no 202, but for those that `excused` excuses; the first five become violations.
std::size_t failed_publishes(stage const& on, report& out,
                             std::function<bool(publisher::miss const&)> const& excused = {});
/// Whether an instance took itself, or another, for dead.
bool taken_for_dead(stage const& on);
/// The options that a run begins with.
stage::options stage_of(run_options const& how);
/// True while there are rounds left (of `rounds` where the command line names no number), or minutes.
class rounds {
  public:
    rounds(run_options const& how, int by_default);
    bool next();
    int done() const { return done_; }

  private:
    int most_;
    int done_ = 0;
    std::chrono::steady_clock::time_point until_;
};
std::string in_ms(std::chrono::microseconds time);
/// "95 %".
std::string in_percent(double share);
/// For a case in which nothing excuses a repeat.
void judge_no_repeats(report& out);
/// What `--minutes` says, else so long.
std::chrono::milliseconds length_of(run_options const& how, std::chrono::milliseconds otherwise);

} // namespace klen::webhooks::faults
