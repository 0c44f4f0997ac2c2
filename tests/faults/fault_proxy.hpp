#pragma once

#include "faults/sockets.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

namespace klen::webhooks::faults {

/// A TCP port of 127.0.0.1 in front of a unix socket (PostgreSQL's), that breaks the links through it in the ways that
/// networks do. One thread.
class fault_proxy {
  public:
    /// What becomes of a link around one statement. The statement is told by its name in the question.
    enum class cut {
        before_question, ///< the question never arrives
        within_question, ///< half of it arrives
        after_question,  ///< it arrives; the link is cut at once, while the server works on it
        before_answer,   ///< the server has answered; the answer never arrives
        within_answer    ///< a part of the answer arrives
    };
    static constexpr int cuts = 5;
    /// Cut so the next question that holds `text`, on a link whose start-up names `application` ("" any).
    struct trap {
        std::string application;
        std::string text;
        cut where = cut::before_answer;
        int times = 1;    ///< so many such questions, one after the other
        int let_pass = 0; ///< so many pass before
    };

    fault_proxy(std::string socket_path, std::uint64_t seed);
    ~fault_proxy();
    fault_proxy(fault_proxy const&) = delete;
    fault_proxy& operator=(fault_proxy const&) = delete;

    std::uint16_t port() const { return port_; }

    void set_trap(trap next);
    /// Takes back one that did not snap.
    void clear_trap();
    bool trap_is_set() const;
    /// How many traps have snapped.
    int snapped() const { return snapped_; }

    /// Nothing passes and nobody is told; new links are accepted and hang, too. False: what hung goes on.
    void black_hole(bool on) { set(hole_, on); }
    /// The same, and not even an acknowledgement comes back, as from a cable that was pulled. New links hang while they
    /// are made.
    void drop_packets(bool on);
    /// Each answer arrives that much later.
    void delay_answers(std::chrono::milliseconds time) { delay_ms_ = static_cast<int>(time.count()); }
    /// One byte of answer each `time`; 0: as they come.
    void trickle(std::chrono::milliseconds time) { set(trickle_ms_, static_cast<int>(time.count())); }
    /// All links now open end with a RST.
    void reset_all() { set(reset_all_, true); }
    /// Towards the daemon: a FIN on all links now open, which go on listening.
    void half_close_all() { set(half_close_all_, true); }
    /// The next links end with a RST after so many bytes of answers; negative: they do not.
    void reset_after_bytes(std::int64_t bytes) { reset_at_ = bytes; }

  private:
    using steady = std::chrono::steady_clock;
    struct late_bytes {
        steady::time_point due;
        std::string bytes;
    };
    struct link {
        descriptor client;
        descriptor server;
        std::string application; ///< the start-up message
        bool started = false;
        std::string to_server;
        std::string to_client;
        std::deque<late_bytes> late;
        std::optional<cut> armed;
        std::int64_t answered = 0;
        std::int64_t reset_at = -1;
        steady::time_point next_byte{};
        bool ended = false;
    };

    template <class T>
    void set(std::atomic<T>& what, T value) {
        what = value;
        wake_.wake();
    }
    void serve();
    void judge_dropping();
    void accept_all();
    void question(link& l);
    void answer(link& l);
    void pass_answers(link& l);
    void spring(link& l, std::string& question);
    void end(link& l, bool with_reset);
    int wait_ms() const;

    std::string socket_path_;
    std::mt19937_64 random_;
    std::uint16_t port_ = 0;
    descriptor listener_;
    wake_pipe wake_;
    std::list<link> links_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> hole_{false};
    std::atomic<bool> drops_{false};
    bool dropping_ = false; ///< the sockets' filters are set
    std::atomic<bool> reset_all_{false};
    std::atomic<bool> half_close_all_{false};
    std::atomic<int> delay_ms_{0};
    std::atomic<int> trickle_ms_{0};
    std::atomic<std::int64_t> reset_at_{-1};
    std::atomic<int> snapped_{0};
    mutable std::mutex mutex_;
    std::optional<trap> trap_;
    std::thread thread_;
};

} // namespace klen::webhooks::faults
