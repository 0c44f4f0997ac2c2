#pragma once

#include "egress/response_reader.hpp"
#include "klen/webhooks/base/async.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace klen::webhooks::egress {

/// One TCP connection, with or without TLS, that carries one request at a time. Every operation has an absolute time
/// by which it is over: then the connection closes itself and `timed_out()` is true. When a coroutine inside of one is
/// cancelled the connection is closed and the exception goes on. All members on its executor.
class connection : public std::enable_shared_from_this<connection> {
  public:
    using error_code = boost::system::error_code;

    explicit connection(executor const& ex);
    virtual ~connection();
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;

    task<error_code> connect(asio::ip::tcp::endpoint to, steady_time until);

    struct handshake_outcome {
        error_code error;
        std::string reason; ///< of the failure, for the customer's developer
        bool resumed = false;
    };
    /// What TLS needs after connecting; nothing without.
    virtual task<handshake_outcome> handshake(steady_time until) = 0;

    /// Writes the request and feeds what comes back to `reader` until it wants no more, at the same time: a receiver
    /// may answer before it has read everything, and that answer is the one that counts. Gives why reading ended, if
    /// not because the reader had enough. `body` and `reader` outlive the call. Afterwards the connection is closed
    /// unless it can carry another request.
    virtual task<error_code> exchange(std::string head, std::string_view body, response_reader* reader,
                                      steady_time deadline) = 0;

    /// No byte and no end of stream has come since the last response: worth another request.
    virtual bool is_quiet();

    /// Gives up the memory that only a request needs.
    virtual void rest() { std::string().swap(head_); }

    virtual void close();
    bool is_open() const { return socket_.is_open(); }
    bool timed_out() const { return timed_out_; }
    asio::ip::tcp::endpoint peer() const { return peer_; }

  protected:
    template <class Stream>
    task<error_code> exchange_over(Stream* stream, std::string_view body, response_reader* reader,
                                   steady_time deadline);

    /// One timer for the life of the connection. Setting a later time than it waits for costs nothing: it looks again
    /// when it fires.
    void arm(steady_time until);
    void disarm() { armed_ = false; }
    void expire();

    asio::ip::tcp::socket socket_;
    std::string head_; ///< of the request being written

  private:
    void wait_until(steady_time at);
    void timer_fired();
    void write_ended();
    task<void> wait_for_write_end();

    static constexpr std::size_t read_bytes = 4096;

    asio::ip::tcp::endpoint peer_;
    asio::steady_timer timer_;
    steady_time until_{};        ///< when the operation under way is over
    steady_time timer_expiry_{}; ///< what the timer waits for; never later than `until_` while armed
    std::uint64_t timer_wait_ = 0;
    bool timer_waiting_ = false;
    bool armed_ = false;
    bool timed_out_ = false;
    bool writing_ = false;
    std::function<void()> on_write_end_;
    std::array<char, read_bytes> in_;
};

using connection_ptr = std::shared_ptr<connection>;

connection_ptr make_plain_connection(executor const& ex);

} // namespace klen::webhooks::egress
