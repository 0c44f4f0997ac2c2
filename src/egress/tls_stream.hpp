#pragma once

#include "klen/webhooks/base/async.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>

#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace klen::webhooks::egress {

/// The client's side of TLS over a socket that is its owner's. OpenSSL reads and writes the socket itself, so that a
/// connection which waits has no buffers: Asio's stream keeps 68 KiB for each. Neither moved nor used after its socket
/// is gone. Not thread-safe; one read and one write at a time.
class tls_stream {
  public:
    using error_code = boost::system::error_code;

    tls_stream(asio::ip::tcp::socket& socket, SSL_CTX* context);
    tls_stream(tls_stream const&) = delete;
    tls_stream& operator=(tls_stream const&) = delete;

    /// Null when there was no memory for it: then every operation fails.
    SSL* native_handle() const { return ssl_.get(); }

    /// Gives OpenSSL's error with Asio's category for it. `stream_truncated`: the peer went away.
    task<error_code> handshake();

    /// At least one byte, or why none comes any more: `eof` when the peer said so, `stream_truncated` when it did not.
    /// `ec` outlives the call.
    task<std::size_t> read_some(asio::mutable_buffer into, error_code& ec);

    /// Writes `head` and `body`, which outlive that, and then calls `ended`, perhaps before this returns. What fails
    /// shows when something is read. A part of `body` may be appended to `head`.
    template <class Ended>
    void start_write(std::string& head, std::string_view body, Ended ended) {
        // What fits into one record goes out in one: a record costs a receiver more than a copy does us.
        auto const together = std::min(body.size(), record_bytes - std::min(record_bytes, head.size()));
        head.append(body.substr(0, together));
        go_on_writing(head, body.substr(together), std::move(ended));
    }

    /// Nothing is waiting in here that was received.
    bool is_quiet() const { return ssl_ != nullptr && SSL_has_pending(ssl_.get()) == 0; }

    /// Gives up the records' buffers, 33 KiB, until the next operation. OpenSSL does so by itself, but not with the one
    /// that it got ready for an answer to a ticket.
    void release_buffers();

  private:
    struct socket_bio;

    static constexpr std::size_t record_bytes = 16384;
    /// What one call of OpenSSL's may take from the socket. It goes on by itself while what comes is no answer (empty
    /// handshake messages, tickets, new keys), and this thread does nothing else meanwhile.
    static constexpr std::size_t received_at_once = std::size_t{16} * 1024;
    /// Handshake messages that may come in between two pieces of an answer, or before the first. A handshake has some
    /// ten.
    static constexpr int messages_max = 100;

    /// How many bytes were taken; none with `would_block` or another error.
    std::size_t write_some(std::string_view what, error_code& ec);
    /// Why OpenSSL did not do what it was asked for.
    error_code reason(int returned);
    asio::socket_base::wait_type wanted() const;
    void begin_call();
    static void on_message(int sent, int version, int type, void const* message, std::size_t size, SSL*, void* self);
    void refuse();
    /// Calls OpenSSL until it need not wait for the socket. `operation_aborted` when this is cancelled.
    template <class Call>
    task<error_code> drive(Call call);

    template <class Ended>
    void go_on_writing(std::string_view first, std::string_view rest, Ended ended) {
        error_code ec, ignored;
        while (!first.empty()) {
            first.remove_prefix(write_some(first, ec));
            if (ec == asio::error::would_block) {
                auto again = [this, first, rest, ended = std::move(ended)](error_code const& failed) mutable {
                    if (failed)
                        ended();
                    else
                        go_on_writing(first, rest, std::move(ended));
                };
                socket_.async_wait(wanted(), std::move(again));
                return;
            }
            if (failed_) // the read would wait for what nobody sends any more
                socket_.shutdown(asio::socket_base::shutdown_receive, ignored);
            if (ec)
                break;
            if (first.empty())
                first = std::exchange(rest, {});
        }
        ended();
    }

    asio::ip::tcp::socket& socket_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
    error_code ended_;          ///< why nothing is received any more
    error_code failed_;         ///< what OpenSSL called fatal
    bool send_failed_ = false;  ///< nothing is sent any more
    std::size_t allowance_ = 0; ///< of the call under way: what it may still receive
    int messages_ = 0;          ///< handshake messages that came since the last piece of an answer
    bool shaken_ = false;       ///< the handshake is over
};

} // namespace klen::webhooks::egress
