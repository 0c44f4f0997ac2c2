#pragma once

#include "klen/webhooks/base/async.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <array>
#include <memory>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace klen::webhooks::api {

/// The concrete executor: `any_io_executor` costs most of a microsecond a request.
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

using tls_context_ptr = std::shared_ptr<asio::ssl::context>;

/// The bytes between a client and us, with or without TLS. Reading and writing costs a plain client one branch: no
/// virtual call, no coroutine of its own. One operation at a time; `ec` outlives it.
class client_stream {
  public:
    using error_code = boost::system::error_code;

    /// `tls` null: plain.
    client_stream(tcp_socket socket, tls_context_ptr tls);
    ~client_stream();
    client_stream(client_stream const&) = delete;
    client_stream& operator=(client_stream const&) = delete;

    bool is_tls() const { return tls_ != nullptr; }

    enum class handshake_outcome {
        done,
        failed,
        spoke_http ///< without TLS: from now on this stream is plain, so that the client can be told
    };
    /// `reason`: what was wrong with the client's TLS, for the log; empty when it only went away or took too long.
    task<handshake_outcome> shake_hands(std::string* reason);

    task<std::size_t> read_some(asio::mutable_buffer into, error_code& ec);
    /// All of it.
    task<std::size_t> write(std::array<asio::const_buffer, 2> const& what, error_code& ec);
    /// Tells the client that nothing more comes: TLS's close_notify (its answer is not waited for) and the end of the
    /// TCP stream. What the client still sends is for `read_leftover`.
    task<void> end_sending();
    /// Bytes off the wire, still encrypted where there is TLS: only good for dropping them.
    task<std::size_t> read_leftover(asio::mutable_buffer into, error_code& ec);

    /// Ends what is under way with an error.
    void cancel();
    void close();

  private:
    struct tls_layer;

    tcp_socket socket_;
    std::unique_ptr<tls_layer> tls_; ///< refers to the socket
};

} // namespace klen::webhooks::api
