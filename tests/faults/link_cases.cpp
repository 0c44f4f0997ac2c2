// Links that are cut: to PostgreSQL around a commit, to PostgreSQL anywhere, to receivers; and no descriptors.
#include "faults/cases.hpp"

#include <array>
#include <filesystem>

#include <sys/resource.h>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

/// Cuts links of that application around a statement whose name begins so, again and again.
void cut_around(run_options const& how, report& out, std::string const& application, std::string const& statement,
                int cuts) {
    auto with = stage_of(how);
    with.publishers = 4;
    stage on(std::move(with));
    auto& proxy = *on.proxies.front();
    on.publish();
    pause_for(500ms);
    auto const begin = now_us();
    std::array<int, fault_proxy::cuts> where{};
    rounds turn(how, cuts);
    while (turn.next()) {
        auto const at = static_cast<std::size_t>(on.random() % fault_proxy::cuts);
        // The repeat is cut as well, now and then: what settles a doubt may meet the next one.
        auto const times = on.random() % 3 == 0 ? 2 + static_cast<int>(on.random() % 2) : 1;
        where[at] += times;
        auto const before = proxy.snapped();
        proxy.set_trap({"klen-webhooks " + application, statement, static_cast<fault_proxy::cut>(at), times,
                        1 + static_cast<int>(on.random() % 3)}); // or nothing would ever be written
        if (!e2e::eventually([&] { return proxy.snapped() >= before + times; }, 20s)) {
            out.violation("the link for " + application + " was not used for 20 s");
            break;
        }
        pause_for(on.between(0ms, 100ms));
    }
    proxy.clear_trap();
    on.disturbed({"cut links", "", begin, now_us() + 3'000'000});
    conclude(on, out, 40s);
    std::string line = std::to_string(proxy.snapped()) + " links cut around " + statement + " (";
    for (std::size_t i = 0; i < where.size(); ++i)
        line += (i == 0 ? "" : "/") + std::to_string(where[i]);
    out.figure(line + " before, within, after the question, before, within the answer): " +
               std::to_string(out.found.repeats) + " repeats, " + std::to_string(out.found.refused) + " refused, " +
               std::to_string(out.found.unclear) + " never clear");
}

/// Again and again the daemon may have `few()` of a resource for two seconds.
template <class Few>
void starve(stage& on, rounds& turn, __rlimit_resource which, char const* what, Few few) {
    auto const pid = on.daemons.front()->pid();
    on.publish();
    pause_for(1s);
    while (turn.next()) {
        auto const at = now_us();
        rlimit before{};
        ::prlimit(pid, which, nullptr, &before);
        auto meanwhile = before;
        meanwhile.rlim_cur = few();
        ::prlimit(pid, which, &meanwhile, nullptr);
        pause_for(2s);
        ::prlimit(pid, which, &before, nullptr);
        on.disturbed({what, "", at, now_us() + 5'000'000});
        pause_for(2s);
    }
}

void tell_starved(stage const& on, rounds const& turn, report& out, pid_t pid, std::string const& of, bool noticed) {
    auto& daemon = *on.daemons.front();
    out.figure(std::to_string(turn.done()) + " times 2 s without " + of + (noticed ? "" : " (never noticed)") + ": " +
               std::to_string(out.found.repeats) + " repeats");
    if (!daemon.running() || daemon.pid() != pid)
        out.violation("the daemon died");
}

} // namespace

void cut_intake(run_options const& how, report& out) { cut_around(how, out, "intake", "write_events", 60); }
void cut_outcomes(run_options const& how, report& out) { cut_around(how, out, "outcomes", "write_", 30); }
void cut_claims(run_options const& how, report& out) { cut_around(how, out, "claims", "COMMIT", 40); }

void broken_links(run_options const& how, report& out) {
    stage on(stage_of(how));
    auto& proxy = *on.proxies.front();
    on.publish();
    pause_for(500ms);
    auto const begin = now_us();
    rounds turn(how, 10);
    std::array<int, 4> done{};
    while (turn.next()) {
        auto const kind = static_cast<std::size_t>(on.random() % 4);
        ++done[kind];
        if (kind == 0) {
            proxy.reset_all();
        } else if (kind == 1) {
            proxy.half_close_all();
        } else if (kind == 2) {
            proxy.reset_after_bytes(static_cast<std::int64_t>(on.random() % 20'000));
            proxy.reset_all();
            pause_for(on.between(200ms, 800ms));
            proxy.reset_after_bytes(-1);
            proxy.reset_all();
        } else {
            proxy.trickle(1000ms);
            pause_for(on.between(500ms, 1500ms));
            proxy.trickle(0ms);
        }
        pause_for(on.between(100ms, 800ms));
    }
    on.disturbed({"broken links", "", begin, now_us() + 3'000'000});
    conclude(on, out, 40s);
    out.figure(std::to_string(done[0]) + " resets, " + std::to_string(done[1]) + " half-closes, " +
               std::to_string(done[2]) + " times RST at the nth byte, " + std::to_string(done[3]) +
               " times one byte a second: " + std::to_string(out.found.repeats) + " repeats");
}

void closing_receivers(run_options const& how, report& out) {
    auto with = stage_of(how);
    with.publishers = 4;
    if (!how.rate)
        with.events_per_second = 400;
    auto const seed = how.seed;
    with.reacts = [seed](received_request const& what) {
        reaction answer;
        answer.close_after = std::chrono::milliseconds((std::hash<std::string>{}(what.delivery) ^ seed) % 51);
        return answer;
    };
    stage on(std::move(with));
    on.publish();
    auto const length = length_of(how, 6s);
    pause_for(length);
    std::size_t failed = 0;
    conclude(on, out, 40s, [&failed](evidence& all) {
        for (auto const& one : all.stored.attempts)
            failed += one.decision != "delivered" ? 1 : 0;
        // One that dies under a request may be tried again at once, on a fresh connection.
        for (auto& one : all.received)
            one.broken = true;
    });
    out.figure(std::to_string(out.found.requests) + " requests over " + std::to_string(on.receiver->connections()) +
               " connections closed 0 to 50 ms after an answer: " + std::to_string(failed) + " attempts failed");
    if (failed > out.found.requests / 100'000)
        out.violation(std::to_string(failed) + " attempts failed because their connection was closed");
}

void no_descriptors(run_options const& how, report& out) {
    auto with = stage_of(how);
    with.publish_timeout = 2s;
    stage on(std::move(with));
    auto& daemon = *on.daemons.front();
    auto const pid = daemon.pid();
    rounds turn(how, 2);
    starve(on, turn, RLIMIT_NOFILE, "no descriptors", [pid] {
        auto const open =
            std::distance(std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), {});
        return static_cast<rlim_t>(std::max<std::ptrdiff_t>(open - 4, 20));
    });
    conclude(on, out, 40s);
    bool const out_of_them = daemon.log().find("requests fail on this machine") != std::string::npos ||
                             daemon.log().find("accepting connections failed") != std::string::npos;
    tell_starved(on, turn, out, pid, "descriptors", out_of_them);
}

void no_memory(run_options const& how, report& out) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    throw skipped("a sanitizer's own allocator ends the program when it gets no memory");
#endif
    auto with = stage_of(how);
    with.publish_timeout = 2s;
    // What is freed goes back to the system at once, so that there is something to ask it for again.
    with.settings["MALLOC_CONF"] = "retain:false,dirty_decay_ms:0,muzzy_decay_ms:0,tcache:false,narenas:1";
    stage on(std::move(with));
    auto const pid = on.daemons.front()->pid();
    rounds turn(how, 2);
    // Far below what it has: nothing more is given.
    starve(on, turn, RLIMIT_AS, "no memory", [] { return rlim_t{1} << 20; });
    auto const before = on.accepted();
    if (!e2e::eventually([&] { return on.accepted() > before; }, 10s))
        out.violation("nothing was accepted 10 s after there was memory again");
    conclude(on, out, 40s);
    bool const noticed = e2e::file_text(how.folder + "/a.err").find("out of memory: waiting") != std::string::npos;
    tell_starved(on, turn, out, pid, "memory", noticed);
    if (!noticed)
        out.violation("no allocation has failed: nothing was tried");
}

} // namespace klen::webhooks::faults
