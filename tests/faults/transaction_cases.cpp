// Somebody else's transactions: one that stays open, and the migrations of the next version.
#include "faults/cases.hpp"

#include "store/session.hpp"

#include "klen/webhooks/store/migrations.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <list>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

/// Open until it is destroyed: with its snapshot, and the locks on what it has read.
class open_transaction {
  public:
    open_transaction(server const& on, std::string const& table) : link_({.url = on.url()}, {.name = "somebody else"}) {
        link_.run_text("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM " + table).value();
    }

  private:
    store::session link_;
};

constexpr std::array<char const*, 3> growing{"events", "deliveries", "attempts"};

/// The migrations of this version, and of those that come after it.
class versions {
  public:
    versions() : all_(store::embedded_migrations().begin(), store::embedded_migrations().end()) {}

    std::vector<store::migration> const& all() const { return all_; }
    /// One more, that adds a column and an index to the table.
    void add(std::string const& table) {
        auto const number = all_.back().number + 1;
        auto const& name = texts_.emplace_back("next_" + std::to_string(number));
        auto const& sql = texts_.emplace_back("ALTER TABLE " + table + " ADD COLUMN " + name +
                                              " integer NOT NULL DEFAULT 0; CREATE INDEX " + table + "_" + name +
                                              " ON " + table + " (" + name + ")");
        all_.push_back({number, name, sql, name});
    }

  private:
    std::list<std::string> texts_; ///< what the migrations refer to
    std::vector<store::migration> all_;
};

} // namespace

void held_transaction(run_options const& how, report& out) {
    auto with = stage_of(how);
    with.publishers = 12; // one answer that is late for once is no lower rate
    stage on(std::move(with));
    auto const length = length_of(how, 12s);
    on.publish();
    pause_for(1s);
    auto const before = pace_over(on, how.minutes ? 30s : 4s);
    open_transaction const held(*on.database, "deliveries");
    pause_for(length / 2);
    auto const late = pace_over(on, length / 2);
    auto const age = on.database->number("SELECT coalesce(max(age(backend_xmin)), 0) FROM pg_stat_activity"
                                         " WHERE state = 'idle in transaction'");
    auto const dead = on.database->number("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'deliveries'");
    auto const left = on.database->number("SELECT count(*) FROM deliveries");
    conclude(on, out, 40s);
    auto const accepted = late.accepted / before.accepted;
    auto const requests = late.requests / before.requests;
    out.figure("a snapshot held for " + std::to_string(length.count() / 1000) + " s and " + std::to_string(age) +
               " transactions, " + std::to_string(dead) + " dead rows beside " + std::to_string(left) +
               " in the queue: in the second half " + in_percent(accepted) + " of the events and " +
               in_percent(requests) + " of the requests in a second; " + std::to_string(out.found.repeats) +
               " repeats");
    if (age < on.with.events_per_second)
        out.violation("no snapshot was held: it is " + std::to_string(age) + " transactions old");
    auto const least = how.minutes ? 0.95 : 0.8; // beside other tests
    if (std::min(accepted, requests) < least)
        out.violation("less than " + in_percent(least) + " of the rate was kept");
    judge_no_repeats(out);
}

void upgrade(run_options const& how, report& out) {
    auto with = stage_of(how);
    with.instances = 2;
    stage on(std::move(with));
    versions known;
    on.publish();
    auto const begin = now_us();
    rounds turn(how, 3);
    std::chrono::milliseconds longest{0};
    while (turn.next()) {
        pause_for(on.between(500ms, 1500ms));
        // One table each: who waits for a second one has everybody wait for the first one meanwhile.
        auto const* table = growing[static_cast<std::size_t>(turn.done() - 1) % growing.size()];
        known.add(table);
        auto const at = now_us();
        auto reader = std::make_unique<open_transaction>(*on.database, table);
        auto migrating = std::async(std::launch::async, [&known, url = on.database->url()] {
            return store::migrate({.url = url}, known.all());
        });
        pause_for(on.between(1s, 2500ms));
        if (migrating.wait_for(0s) == std::future_status::ready)
            out.violation("the migration did not wait for who reads the table");
        reader.reset();
        if (auto const done = migrating.get(); !done)
            return out.violation("the migration failed: " + done.error().message);
        longest = std::max(longest, std::chrono::milliseconds((now_us() - at) / 1000));
        on.disturbed({"migration", "", at, now_us() + 2'000'000});
    }
    auto const alive_since = [&on](wall_us time) {
        return on.database->number(
                   "SELECT count(*) FROM instances WHERE extract(epoch FROM heartbeat_at) * 1000000 > " +
                   std::to_string(time)) == on.with.instances;
    };
    if (!e2e::eventually([&, migrated = now_us()] { return alive_since(migrated); }, 5s))
        out.violation("not every instance gives a sign of life after the last migration");
    pause_for(1s);
    auto const slowest = tally(on, begin, now_us()).slowest;
    conclude(on, out, 40s);
    auto const failed = failed_publishes(on, out);
    out.figure(std::to_string(turn.done()) + " migrations, each of a table that grows, the longest waited and took " +
               in_ms(longest) + ": " + std::to_string(failed) + " publishes failed, slowest answer " + in_ms(slowest) +
               "; " + std::to_string(out.found.repeats) + " repeats");
    judge_no_repeats(out);
    if (taken_for_dead(on))
        out.violation("a migration was taken for a death");
    for (auto const& one : on.daemons)
        for (auto const& line : e2e::lines_of(one->log()))
            if (line.find(R"("log.level":"error")") != std::string::npos)
                out.violation(one->name() + " logged an error: " + line);
}

} // namespace klen::webhooks::faults
