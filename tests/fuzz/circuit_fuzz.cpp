// A circuit breaker and a pacer under any sequence of operations, against models that remember everything.
#include "fuzz/byte_source.hpp"
#include "fuzz/require.hpp"
#include "klen/webhooks/policy/circuit.hpp"
#include "klen/webhooks/policy/pacer.hpp"

#include <algorithm>
#include <vector>

namespace {

using namespace klen::webhooks;
using namespace klen::webhooks::policy;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

circuit_policy policy_from(byte_source& in) {
    circuit_policy out;
    out.failures = in.below(8);
    out.failure_percent = in.below(2) == 0 ? 0 : 1 + in.below(100);
    out.attempts_min = in.below(12);
    out.window = milliseconds(1000 * (1 + in.below(60)));
    out.wait = milliseconds(500 * (1 + in.below(20)));
    out.wait_max = milliseconds(1000 * (1 + in.below(60)));
    out.slow_start = in.below(6);
    out.ramp_end = 1 + in.below(40);
    return out;
}

attempt_result result_from(byte_source& in) {
    attempt_result out;
    switch (in.below(8)) {
    case 0:
    case 1:
        out.status = 200;
        break;
    case 2:
        out.status = 404;
        out.error = error_class::http_status;
        break;
    case 3:
        out.error = error_class::local_failure;
        break;
    case 4:
        out.status = in.below(2) == 0 ? 429 : 503;
        out.error = error_class::http_status;
        out.retry_after = std::chrono::seconds(in.below(120));
        break;
    case 5:
        out.status = 500;
        out.error = error_class::http_status;
        break;
    default:
        out.error = error_class::timeout;
        break;
    }
    return out;
}

/// Keeps every attempt and derives everything from them, at the price of memory and time.
class model {
  public:
    explicit model(circuit_policy const& how) : how_(how) { reset(); }

    circuit_state state = circuit_state::closed;
    bool recovering = false;
    steady_time open_until{};
    std::uint32_t limit = circuit::no_limit;

    void reset() {
        state = circuit_state::closed;
        recovering = false;
        failures_in_a_row_ = 0;
        attempts_.clear();
        successes_ = 0;
        doublings_ = 0;
        limit = how_.slow_start == 0 || how_.slow_start >= how_.ramp_end ? circuit::no_limit : how_.slow_start;
    }

    /// Its own words for why it opens.
    circuit_cause ended(bool of_this_era, bool by_hand, attempt_result const& r, steady_time now) {
        auto const asked =
            r.retry_after && !by_hand ? std::min<milliseconds>(*r.retry_after, how_.wait_max) : milliseconds(0);
        if (!of_this_era) {
            if (state == circuit_state::open && now + asked > open_until)
                open_until = now + asked;
            return circuit_cause::none;
        }
        auto const sign = sign_of(r);
        if (sign == endpoint_sign::none)
            return circuit_cause::none;
        if (sign == endpoint_sign::alive) {
            failures_in_a_row_ = 0;
            if (state == circuit_state::half_open)
                close();
            else {
                remember(false, now);
                grow();
            }
            return circuit_cause::none;
        }
        if (state == circuit_state::half_open && now < open_until) { // a probe before its time costs nothing
            state = circuit_state::open;
            limit = 0;
            least_until = most_until = std::max(open_until, now + asked);
            return circuit_cause::probe_failed;
        }
        if (by_hand && state == circuit_state::closed)
            return circuit_cause::none;
        circuit_cause cause = circuit_cause::none;
        if (state == circuit_state::half_open) {
            cause = circuit_cause::probe_failed;
        } else {
            remember(true, now);
            ++failures_in_a_row_;
            auto enough = how_.failures;
            if (recovering && enough > limit)
                enough = limit;
            if (how_.failures > 0 && failures_in_a_row_ >= enough)
                cause = circuit_cause::failures_in_a_row;
            else if (too_many_failed())
                cause = circuit_cause::failure_ratio;
        }
        if (cause != circuit_cause::none) {
            // A quarter longer, or shorter where that would be too long; the first one never is shorter.
            auto const longest = std::max(how_.wait_max, how_.wait);
            nanoseconds const whole = wait();
            nanoseconds const longer = whole * 5 / 4;
            bool const first = whole == how_.wait;
            auto const least = std::max<nanoseconds>(first || longer <= longest ? whole : whole * 3 / 4, asked);
            auto const most = std::max<nanoseconds>(first ? longer : std::min<nanoseconds>(longer, longest), asked);
            least_until = now + least - nanoseconds(1000);
            most_until = now + most + nanoseconds(1000);
            ++doublings_;
            state = circuit_state::open;
            limit = 0;
            return cause;
        }
        if (asked.count() == 0)
            return circuit_cause::none;
        state = circuit_state::open;
        limit = 0;
        open_until = least_until = most_until = now + asked;
        return circuit_cause::retry_after;
    }

    void half_open() {
        state = circuit_state::half_open;
        limit = 1;
    }

    steady_time least_until{};
    steady_time most_until{};

  private:
    struct attempt {
        steady_time at;
        std::uint64_t half;
        bool failed;
    };
    /// Halves of the window begin with an attempt: those of this half and of the one right before count.
    void remember(bool failed, steady_time now) {
        auto const half_length = how_.window / 2;
        if (!any_half_ || now - half_began_ >= half_length) {
            half_ += any_half_ && now - half_began_ < 2 * half_length ? 1 : 2;
            half_began_ = now;
            any_half_ = true;
        }
        attempts_.push_back({now, half_, failed});
    }
    bool too_many_failed() const {
        std::uint64_t all = 0;
        std::uint64_t failed = 0;
        for (auto const& a : attempts_)
            if (a.half + 1 >= half_) {
                ++all;
                failed += a.failed ? 1 : 0;
            }
        return how_.failure_percent != 0 && all >= how_.attempts_min && failed * 100 >= all * how_.failure_percent;
    }
    nanoseconds wait() const {
        nanoseconds out = how_.wait;
        for (int i = 0; i < std::min(doublings_, 20); ++i)
            out = std::min<nanoseconds>(out * 2, std::max(how_.wait_max, how_.wait));
        return out;
    }
    void close() {
        state = circuit_state::closed;
        recovering = true;
        attempts_.clear();
        limit = 1;
        successes_ = 0;
        if (how_.ramp_end <= 1)
            grow();
    }
    void grow() {
        if (limit == circuit::no_limit)
            return;
        if (++successes_ == limit) {
            successes_ = 0;
            limit *= 2;
        }
        if (limit >= how_.ramp_end) {
            limit = circuit::no_limit;
            recovering = false;
            doublings_ = 0;
        }
    }

    circuit_policy how_;
    std::uint32_t failures_in_a_row_ = 0;
    std::uint32_t successes_ = 0;
    int doublings_ = 0;
    std::vector<attempt> attempts_;
    bool any_half_ = false;
    std::uint64_t half_ = 0;
    steady_time half_began_{};
};

void check_circuit(byte_source& in) {
    auto const how = policy_from(in);
    circuit c(how);
    model m(how);
    steady_time now{std::chrono::hours(1000)};
    std::vector<std::uint32_t> eras;
    while (!in.empty()) {
        now += milliseconds(std::uint64_t{in.byte()} * in.byte());
        switch (in.below(8)) {
        case 0: // one begins, if it may
            if (std::count(eras.begin(), eras.end(), c.era()) < static_cast<std::ptrdiff_t>(c.limit()))
                eras.push_back(c.era());
            break;
        case 1:
            if (c.half_open_if_due(now)) {
                require(m.state == circuit_state::open && now >= m.open_until);
                m.half_open();
            } else {
                require(m.state != circuit_state::open || now < m.open_until);
            }
            break;
        case 2:
            if (in.below(4) == 0) {
                bool const was_open = m.state == circuit_state::open;
                require(c.half_open_now() == was_open);
                if (was_open)
                    m.half_open();
            } else if (in.below(4) == 0) {
                bool const early = m.state == circuit_state::half_open && now < m.open_until;
                require(c.only_asked(now) == early && c.open_again(now) == early);
                if (early) {
                    m.state = circuit_state::open;
                    m.limit = 0;
                }
            }
            break;
        case 3:
            if (in.below(16) == 0) {
                c.reset();
                m.reset();
            }
            break;
        default: { // one ends: of this era, or of an earlier one
            if (eras.empty())
                break;
            auto const which = in.below(static_cast<std::uint32_t>(eras.size()));
            auto const era = eras[which];
            eras.erase(eras.begin() + which);
            auto const result = result_from(in);
            double const chance = in.byte() / 256.0;
            bool const current = era == c.era();
            auto const before = c.era();
            bool const by_hand = in.below(8) == 0;
            auto const cause = c.ended({era, by_hand}, result, now, chance);
            require(cause == m.ended(current, by_hand, result, now));
            if (cause != circuit_cause::none) {
                require(c.open_until() >= m.least_until && c.open_until() <= m.most_until);
                m.open_until = c.open_until();
                require(c.era() != before);
            }
            break;
        }
        }
        require(c.state() == m.state && c.limit() == m.limit && c.recovering() == m.recovering);
        require(c.state() != circuit_state::open || c.open_until() == m.open_until);
        require((c.limit() == 0) == (c.state() == circuit_state::open));
        require(c.state() != circuit_state::half_open || c.limit() == 1);
    }
}

/// However requests come, no time w sees more than 1 + (w + slack) × rate of them, and nobody waits who need not.
void check_pacer(byte_source& in) {
    pacer p;
    steady_time now{std::chrono::hours(1000)};
    std::uint32_t const rate = 1 + std::uint32_t{in.byte()} * in.byte();
    p.set(rate, now);
    require(p.limits());
    std::vector<steady_time> begun;
    while (!in.empty() && begun.size() < 300) {
        now += std::chrono::microseconds(std::uint64_t{in.byte()} * in.byte() * 4);
        for (int burst = static_cast<int>(in.below(40)); burst > 0 && p.next() <= now; --burst) {
            begun.push_back(now);
            p.took(now);
        }
        if (in.below(3) == 0)
            now = std::max(now, p.next());
        require(p.next() - now <= nanoseconds(std::nano::den / rate + 1));
    }
    for (std::size_t first = 0; first < begun.size(); ++first)
        for (std::size_t last = first; last < begun.size(); ++last) {
            auto const w = std::chrono::duration<double>(begun[last] - begun[first] + pacer::slack).count();
            require(static_cast<double>(last - first + 1) <= 1 + w * rate + 1e-6);
        }
    p.set(std::nullopt, now);
    require(!p.limits());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    byte_source in(data, size);
    if (in.below(4) == 0)
        check_pacer(in);
    else
        check_circuit(in);
    return 0;
}
