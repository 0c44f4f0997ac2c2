#pragma once

#include "faults/records.hpp"
#include "faults/sockets.hpp"

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::faults {

/// What a receiver does with a request.
struct reaction {
    enum class how { answer, reset, hang };
    how what = how::answer;
    int status = 200;
    std::chrono::milliseconds delay{0};
    std::chrono::milliseconds byte_every{0};   ///< the answer comes one byte at a time; 0: as a whole
    std::chrono::milliseconds close_after{-1}; ///< closes the connection so long after the answer; negative: keeps it
};

/// An HTTP server on 127.0.0.1 that records every request before it reacts to it: one thread, any number of
/// connections. Webhook n is the path "/n".
class recording_receiver {
  public:
    /// Called on the server's thread.
    using script = std::function<reaction(received_request const&)>;

    explicit recording_receiver(script reacts);
    ~recording_receiver();
    recording_receiver(recording_receiver const&) = delete;
    recording_receiver& operator=(recording_receiver const&) = delete;

    std::string url(int webhook) const;
    std::vector<received_request> requests() const;
    std::size_t count() const { return count_; }
    int connections() const { return accepted_; }

  private:
    struct connection {
        descriptor link;
        int number = 0;
        std::string in;
        std::string out;
        std::string kept_back;   ///< of an answer that comes byte by byte
        std::size_t request = 0; ///< of `requests_`, while one is worked on
        bool busy = false;
        bool ended = false;
        std::chrono::steady_clock::time_point act_at{}; ///< when the reaction, or the closing, is due
        reaction next;
        bool closing = false; ///< `act_at` is for closing
    };

    void serve();
    void read_from(connection& c);
    void take_request(connection& c);
    void act(connection& c);
    void begin_answer(connection& c);
    int wait_ms() const;

    script reacts_;
    std::uint16_t port_ = 0;
    descriptor listener_;
    wake_pipe wake_;
    std::list<connection> open_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> count_{0};
    std::atomic<int> accepted_{0};
    mutable std::mutex mutex_;
    std::vector<received_request> requests_;
    std::thread thread_;
};

} // namespace klen::webhooks::faults
