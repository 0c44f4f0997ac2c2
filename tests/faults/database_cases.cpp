// PostgreSQL dies, cannot be reached, is slow, or has a full disk.
#include "faults/cases.hpp"
#include "faults/preloaded.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include <sys/mount.h>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

/// How long after `since` the first event was accepted; none: more than `bound`.
std::optional<std::chrono::milliseconds> back_after(stage const& on, wall_us since, std::chrono::milliseconds bound) {
    auto const before = on.accepted();
    if (!e2e::eventually([&] { return on.accepted() > before; }, bound))
        return std::nullopt;
    return std::chrono::milliseconds((now_us() - since) / 1000);
}

/// A file system in memory, of so many bytes; unmounted at the end.
class small_disk {
  public:
    small_disk(std::string path, std::string const& size) : path_(std::move(path)) {
        std::filesystem::create_directories(path_);
        if (::mount("tmpfs", path_.c_str(), "tmpfs", 0, ("mode=0755,size=" + size).c_str()) != 0)
            throw skipped("no file system can be mounted here (root and CAP_SYS_ADMIN are needed)");
    }
    ~small_disk() { ::umount2(path_.c_str(), MNT_DETACH); }
    small_disk(small_disk const&) = delete;
    small_disk& operator=(small_disk const&) = delete;

    /// Until nothing is left.
    void fill() const {
        std::ofstream out(path_ + "/ballast", std::ios::binary);
        std::string const block(65536, 'x');
        while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void make_room() const { std::filesystem::remove(path_ + "/ballast"); }

  private:
    std::string path_;
};

/// `dropped`: the other end's kernel is gone, too.
void unreachable(run_options const& how, report& out, bool dropped) {
    auto with = stage_of(how);
    // Slower than what is published, so that there is something to send when the database is gone.
    with.reacts = friendly(how.seed, 100ms, 400ms);
    with.settings["KLEN_WEBHOOKS_DISPATCH_WEBHOOK_CONCURRENCY_MAX"] = "8";
    stage on(std::move(with));
    auto& daemon = *on.daemons.front();
    on.publish();
    pause_for(2s);
    auto const memory = daemon.resident_kb();
    auto const at = now_us();
    auto const set = [&](bool on_or_off) {
        auto& proxy = *on.proxies.front();
        dropped ? proxy.drop_packets(on_or_off) : proxy.black_hole(on_or_off);
    };
    set(true);
    auto const hangs = [&] { return !answers(on.proxies.front()->port(), 300ms); };
    if (dropped && !e2e::eventually(hangs, 2s))
        out.violation("packets are not dropped: a connection was answered");
    auto const length = length_of(how, 8s);
    pause_for(length);
    auto const grown = daemon.resident_kb() - memory;
    auto const end = now_us();
    set(false);
    auto const back = back_after(on, end, 20s);
    pause_for(1s);
    on.disturbed({"black hole", "", at, end + 10'000'000});
    auto const meanwhile = tally(on, at, end);
    conclude(on, out, 40s);
    constexpr wall_us lease = 3'000'000;
    auto last_sent = at;
    for (auto const& one : on.receiver->requests())
        if (one.arrived < end)
            last_sent = std::max(last_sent, one.arrived);
    out.figure("PostgreSQL unreachable for " + std::to_string(length.count() / 1000) + " s: slowest answer " +
               in_ms(meanwhile.slowest_refusal) + ", last send " + std::to_string((last_sent - at) / 1000) +
               " ms after (lease 3000 ms), memory +" + std::to_string(grown / 1024) + " MB, accepting again " +
               (back ? in_ms(*back) : std::string("never")) + " after");
    if (meanwhile.slowest_refusal > 2s)
        out.violation("an answer took " + in_ms(meanwhile.slowest_refusal) + ", not 2 s");
    if (last_sent > at + lease)
        out.violation("something was sent " + std::to_string((last_sent - at) / 1000) + " ms into the black hole");
    if (grown > std::int64_t{64} * 1024)
        out.violation("memory grew by " + std::to_string(grown / 1024) + " MB");
    if (!back || *back > 10s)
        out.violation("publishing did not come back within 10 s");
}

stage::options stage_of_slowness(run_options const& how) {
    auto with = stage_of(how);
    with.instances = 2;
    with.publishers = 12; // each waits for its answer
    with.reacts = friendly(how.seed, 0ms, 100ms);
    if (!how.rate)
        with.events_per_second = 48;
    return with;
}

/// Everything takes half a second longer for a while: nobody may be taken for dead, and most of the load goes on.
void slowness(stage& on, run_options const& how, report& out, std::string const& what,
              std::function<void(std::chrono::milliseconds)> const& slow_down) {
    on.publish();
    pause_for(1s);
    auto const at = now_us();
    slow_down(500ms);
    pause_for(length_of(how, 8s));
    auto const end = now_us();
    slow_down(0ms);
    on.disturbed({"slowness", "", at, end + 2'000'000});
    // Not what comes before the first late answers: that is no rate yet.
    auto const from = at + 3'000'000;
    auto const kept = tally(on, from, end - 1'000'000); // whole seconds: none that ends when nothing is slow any more
    conclude(on, out, 40s);
    auto const slowest = tally(on, at, now_us()).slowest;
    auto const share = static_cast<double>(kept.accepted) * 1e6 / static_cast<double>(end - 1'000'000 - from) /
                       on.with.events_per_second;
    out.figure(what + ": " + in_percent(share) + " of the load accepted, slowest " + in_ms(slowest));
    if (kept.slowest < 500ms)
        out.violation("nothing was slow");
    if (slowest > 5s)
        out.violation("an answer took " + in_ms(slowest) + ", not 5 s");
    // In the few seconds of a short run, beside other tests, a single stall of the real disk is half of the time.
    auto const least = how.minutes ? 0.6 : 0.2;
    if (share < least)
        out.violation("less than " + in_percent(least) + " of the load was kept");
    if (taken_for_dead(on))
        out.violation("slowness was taken for death");
}

} // namespace

void database_restart(run_options const& how, report& out) {
    stage on(stage_of(how));
    on.publish();
    rounds turn(how, 2);
    std::chrono::milliseconds slowest_back{0};
    std::chrono::milliseconds slowest_refusal{0};
    std::chrono::milliseconds longest{0};
    double least = 1;
    int refused = 0; // calls
    bool fast = on.chance() < 0.5;
    pause_for(500ms);
    while (turn.next()) {
        auto const before = pace_over(on, how.minutes ? 12s : 3s).accepted;
        auto const at = now_us();
        on.database->stop(fast ? server::stopping::fast : server::stopping::immediate);
        auto const away = on.between(100ms, 2500ms);
        longest = std::max(longest, away);
        pause_for(away);
        on.database->start();
        auto const accepts = now_us();
        auto const back = back_after(on, accepts, 20s);
        if (!back)
            return out.violation("nothing was accepted 20 s after PostgreSQL accepted connections again");
        slowest_back = std::max(slowest_back, *back);
        pause_for(std::chrono::milliseconds(std::max<std::int64_t>(0, 5000 - back->count())));
        auto const meanwhile = tally(on, at - 1'000'000, now_us());
        slowest_refusal = std::max(slowest_refusal, meanwhile.slowest_refusal);
        refused += meanwhile.unavailable;
        on.disturbed({fast ? "stop -m fast" : "stop -m immediate", "", at, now_us()});
        fast = !fast;
        least = std::min(least, pace_over(on, 3s).accepted / before);
    }
    conclude(on, out, 40s);
    out.figure(std::to_string(turn.done()) + " stops, fast and immediate: accepting again " + in_ms(slowest_back) +
               " after PostgreSQL at the latest, " + in_percent(least) + " of the rate 5 s after it at least; " +
               std::to_string(refused) + " calls answered 503, slowest refusal " + in_ms(slowest_refusal) + "; " +
               std::to_string(out.found.repeats) + " repeats");
    if (slowest_back > 5s)
        out.violation("publishing came back after " + in_ms(slowest_back) + ", not 5 s");
    // Publishers are told within a second; the rest is for a machine that is busy with other things. After 1.5 s they
    // would be told in any case (`intake.hang_timeout_ms`).
    if (slowest_refusal > 1400ms)
        out.violation("a refusal took " + in_ms(slowest_refusal) + ", not 1.4 s");
    if (refused == 0 && longest > 1500ms)
        out.violation("no call was answered 503 while PostgreSQL was away");
    if (least < 0.8) // 95 % are asked of a machine that does nothing else
        out.violation("5 s after PostgreSQL was back less than 80 % of the rate was");
}

void black_hole(run_options const& how, report& out) { unreachable(how, out, false); }
void dropped_packets(run_options const& how, report& out) { unreachable(how, out, true); }

void slow_commits(run_options const& how, report& out) {
    stage on(stage_of_slowness(how));
    slowness(on, how, out, "answers 500 ms later", [&](std::chrono::milliseconds by) {
        for (auto const& one : on.proxies)
            one->delay_answers(by);
    });
}

void slow_fsync(run_options const& how, report& out) {
    slow_disk const disk(how.folder + "/slow_disk");
    auto with = stage_of_slowness(how);
    // A commit waits for the flush before its own as well, and an event for the batch before its own: up to three
    // seconds. Each publisher waits for its answer, so there are as many as it takes to offer that load all the same.
    with.publishers = 144;
    with.database.bin_dir = disk.postgres_programs();
    with.database.fsync = true; // whatever the command line says: nothing would be slow
    stage on(std::move(with));
    slowness(on, how, out, "fsync 500 ms longer", [&](std::chrono::milliseconds by) { disk.slow_down(by); });
}

void disk_full(run_options const& how, report& out) {
    small_disk const disk(how.folder + "/disk", "160m");
    auto with = stage_of(how);
    with.database.dir = how.folder + "/disk/postgres";
    with.database.settings = "max_wal_size = 48MB\nmin_wal_size = 32MB\n";
    stage on(std::move(with));
    on.publish();
    pause_for(1500ms);
    auto const at = now_us();
    disk.fill();
    pause_for(length_of(how, 6s));
    auto const accepted = tally(on, at + 3'000'000, now_us()).accepted;
    disk.make_room();
    auto const room = now_us();
    // Without room for its log PostgreSQL gives up; whoever supervises it starts it again.
    bool died = false;
    auto const before = on.accepted();
    auto const accepting = [&] {
        if (!on.database->running()) {
            died = true;
            on.database->start();
        }
        return on.accepted() > before;
    };
    bool const back = e2e::eventually(accepting, 40s);
    auto const back_at = now_us();
    auto const took = std::chrono::milliseconds((back_at - room) / 1000);
    pause_for(1s);
    on.disturbed({"disk full", "", at, now_us() + 5'000'000});
    conclude(on, out, 60s);
    auto const before_or_after = [=](publisher::miss const& miss) { return miss.told < at || miss.called > back_at; };
    std::size_t refused = 0;
    failed_publishes(on, out, [&](publisher::miss const& miss) {
        bool const unavailable = miss.status == 503;
        refused += unavailable && !before_or_after(miss) ? 1 : 0;
        return unavailable || before_or_after(miss);
    });
    out.figure("disk full for " + std::to_string((room - at) / 1'000'000) + " s (" + std::to_string(accepted) +
               " events still accepted, " + std::to_string(refused) + " answered 503" +
               (died ? "; PostgreSQL gave up and was started again" : "") + "): accepting again " +
               (back ? in_ms(took) : std::string("never")) + " after");
    if (!back || took > 30s)
        out.violation("it did not recover within 30 s");
    if (refused == 0)
        out.violation("nothing was refused: the disk was not full");
}

} // namespace klen::webhooks::faults
