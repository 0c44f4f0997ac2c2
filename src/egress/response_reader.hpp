#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::egress {

/// Reads one final HTTP/1.x response to a POST out of the bytes of a connection. No I/O; every byte is hostile.
///
/// The verdict on an attempt is reached with the complete header. What comes after it cannot change the verdict, only
/// how much of the body is kept and whether the connection may be used again.
class response_reader {
  public:
    struct limits {
        std::size_t header_bytes_max = 0; ///< status lines and fields together, interim responses included
        std::size_t body_bytes_max = 0;   ///< of the body so much is kept; then reading ends
    };

    enum class phase {
        header,    ///< wants more; no verdict yet
        body,      ///< wants more; the verdict stands
        finished,  ///< wants nothing more: the message is complete, or its rest is of no interest
        malformed, ///< not an HTTP response within the limits: see `problem()`
        cut_off,   ///< the connection ended before the header was complete
    };

    explicit response_reader(limits with);
    ~response_reader();
    response_reader(response_reader&&) noexcept;
    response_reader& operator=(response_reader&&) noexcept;

    phase feed(std::string_view bytes);
    /// The peer has sent its last byte.
    phase end_of_stream();

    phase at() const;
    bool wants_more() const { return at() == phase::header || at() == phase::body; }
    bool has_verdict() const { return at() == phase::body || at() == phase::finished; }
    /// At least one byte has come.
    bool begun() const;

    int status() const;         ///< 0 before the header is complete
    std::string take_headers(); ///< field lines as received, each with CRLF
    std::string take_body();
    std::string_view retry_after() const; ///< the first such field; empty: none
    /// Another request may follow on this connection: the message ended where its framing said, nothing came behind
    /// it, and the peer keeps the connection open.
    bool reusable() const;
    std::optional<std::chrono::seconds> keep_alive_timeout() const; ///< as the peer announced it
    std::string_view problem() const;                               ///< why `malformed`, for the customer's developer

  private:
    class parser;
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace klen::webhooks::egress
