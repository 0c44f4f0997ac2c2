#pragma once

#include "support/test_tls.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace klen::webhooks::testing {

/// What a receiver does on one connection, step by step. When the steps are over the connection is closed.
///
///     script().answer(200)                    one request, one answer, close
///     script().answer(200).again()            the same for ever: keep-alive
///     script().read_request().reset()
class script {
  public:
    /// Waits for a whole request (header and Content-Length) and records it.
    script& read_request() { return add({action::read_request, {}, 0, {}}); }
    /// Waits for so many bytes of anything; they are not recorded.
    script& read(std::size_t bytes) { return add({action::read, {}, bytes, {}}); }
    script& send(std::string bytes) { return add({action::send, std::move(bytes), 0, {}}); }
    /// Past TLS, where there is any: the bytes stand where a record should.
    script& send_raw(std::string bytes) { return add({action::send_raw, std::move(bytes), 0, {}}); }
    /// One byte, a pause, one byte, …
    script& trickle(std::string bytes, std::chrono::milliseconds pause) {
        return add({action::send, std::move(bytes), 0, pause});
    }
    /// The same bytes again and again until the peer has had enough.
    script& send_for_ever(std::string bytes) { return add({action::flood, std::move(bytes), 0, {}}); }
    script& pause(std::chrono::milliseconds time) { return add({action::pause, {}, 0, time}); }
    /// Does nothing until the peer closes.
    script& hang() { return add({action::hang, {}, 0, {}}); }
    /// Says that no byte follows, but goes on reading (without TLS: a FIN; with TLS: close_notify).
    script& half_close() { return add({action::half_close, {}, 0, {}}); }
    /// Ends the connection with a RST.
    script& reset() { return add({action::reset, {}, 0, {}}); }
    /// From the first step again.
    script& again() { return add({action::again, {}, 0, {}}); }

    /// read_request() and a complete response; `fields` are whole lines with CRLF.
    script& answer(int status, std::string_view body = "ok", std::string_view fields = "");

    enum class action { read_request, read, send, send_raw, flood, pause, hang, half_close, reset, again };
    struct step {
        action what{};
        std::string bytes;
        std::size_t count = 0;
        std::chrono::milliseconds time{};
    };
    std::vector<step> const& steps() const { return steps_; }
    /// One step of another script.
    script& then(step what) { return add(std::move(what)); }

  private:
    script& add(step what) {
        steps_.push_back(std::move(what));
        return *this;
    }
    std::vector<step> steps_;
};

struct received_request {
    int connection = 0; ///< 1 for the first that was accepted
    std::string head;   ///< request line and header lines, with CRLF, without the empty line
    std::string body;
    std::string server_name; ///< that the client asked for in the TLS handshake (SNI); "" for none

    std::string request_line() const { return head.substr(0, head.find("\r\n")); }
    /// Value of the first such header (any case); nothing when there is none.
    std::optional<std::string> header(std::string_view name) const;
};

/// A server on 127.0.0.1 that does what its scripts say, each connection in a thread of its own. The first connection
/// follows the first script, the second the second, …, all further ones the last. Ends with its destructor, whatever
/// it is doing.
class scripted_receiver {
  public:
    struct options {
        std::string address = "127.0.0.1";
        std::uint16_t port = 0;                 ///< 0: any free one
        std::optional<tls_identity> identity{}; ///< speaks TLS when set
        int tls_version_max = 0;                ///< TLS1_2_VERSION, …; 0: any
        bool without_close_notify = false;      ///< cuts TLS connections off at their end
        bool refuses_sessions = false;          ///< no TLS session can be resumed
        bool wants_client_certificate = false;  ///< and takes nobody without
    };

    explicit scripted_receiver(script every_connection) : scripted_receiver(std::move(every_connection), options{}) {}
    scripted_receiver(script every_connection, options with)
        : scripted_receiver(std::vector<script>{std::move(every_connection)}, std::move(with)) {}
    explicit scripted_receiver(std::vector<script> one_per_connection)
        : scripted_receiver(std::move(one_per_connection), options{}) {}
    scripted_receiver(std::vector<script> one_per_connection, options with);
    ~scripted_receiver();
    scripted_receiver(scripted_receiver const&) = delete;
    scripted_receiver& operator=(scripted_receiver const&) = delete;

    std::uint16_t port() const { return port_; }
    /// "http://127.0.0.1:1234/hook", "https://…" with TLS; `host` instead of the address where told.
    std::string url(std::string_view path = "/hook", std::string_view host = "") const;

    std::vector<received_request> requests() const;
    int connections() const;
    /// Waits for so many requests in all; false when they do not come in time.
    bool wait_for_requests(std::size_t count, std::chrono::milliseconds time = std::chrono::seconds(10)) const;
    /// The same for connections.
    bool wait_for_connections(int count, std::chrono::milliseconds time = std::chrono::seconds(10)) const;
    /// Waits until no connection is open.
    bool wait_until_closed(std::chrono::milliseconds time = std::chrono::seconds(10)) const;

  private:
    friend class scripted_connection;

    void accept_all();

    std::vector<script> scripts_;
    options options_;
    tls_server_context_ptr tls_;
    int listener_ = -1;
    std::uint16_t port_ = 0;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    bool stopping_ = false;
    int accepted_ = 0;
    std::vector<int> open_; ///< descriptors, so that stopping can wake their threads
    std::vector<received_request> requests_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

/// A port of 127.0.0.1 that never accepts: connecting to it takes for ever (its queue is full, so SYNs are dropped).
class black_hole {
  public:
    black_hole();
    ~black_hole();
    black_hole(black_hole const&) = delete;
    black_hole& operator=(black_hole const&) = delete;
    std::uint16_t port() const { return port_; }

  private:
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::vector<int> fillers_;
};

/// A port of 127.0.0.1 that nobody listens on, and that nobody else gets while this lives.
class closed_port {
  public:
    closed_port();
    ~closed_port();
    closed_port(closed_port const&) = delete;
    closed_port& operator=(closed_port const&) = delete;
    std::uint16_t port() const { return port_; }

  private:
    int holder_ = -1;
    std::uint16_t port_ = 0;
};

} // namespace klen::webhooks::testing
