#include "client_stream.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace klen::webhooks::api {

struct client_stream::tls_layer {
    tls_layer(tcp_socket& socket, tls_context_ptr with) : context(std::move(with)), stream(socket, *context) {}

    tls_context_ptr context; ///< a reload must not take it away
    asio::ssl::stream<tcp_socket&> stream;
};

client_stream::client_stream(tcp_socket socket, tls_context_ptr tls) : socket_(std::move(socket)) {
    if (tls)
        tls_ = std::make_unique<tls_layer>(socket_, std::move(tls));
}

client_stream::~client_stream() = default;

task<client_stream::handshake_outcome> client_stream::shake_hands(std::string* reason) {
    error_code ec;
    co_await tls_->stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(use_task, ec));
    if (!ec)
        co_return handshake_outcome::done;
    auto const code = static_cast<unsigned long>(ec.value());
    bool const by_tls = ec.category() == asio::error::get_ssl_category();
    if (!by_tls)
        co_return handshake_outcome::failed; // it went away, or took too long
    char const* const text = ERR_reason_error_string(code);
    *reason = text != nullptr ? text : ec.message();
    if (ERR_GET_REASON(code) != SSL_R_HTTP_REQUEST)
        co_return handshake_outcome::failed;
    tls_.reset();
    co_return handshake_outcome::spoke_http;
}

task<std::size_t> client_stream::read_some(asio::mutable_buffer into, error_code& ec) {
    if (tls_)
        return tls_->stream.async_read_some(into, asio::redirect_error(use_task, ec));
    return socket_.async_read_some(into, asio::redirect_error(use_task, ec));
}

task<std::size_t> client_stream::write(std::array<asio::const_buffer, 2> const& what, error_code& ec) {
    if (tls_)
        return asio::async_write(tls_->stream, what, asio::redirect_error(use_task, ec));
    return asio::async_write(socket_, what, asio::redirect_error(use_task, ec));
}

task<void> client_stream::end_sending() {
    error_code ec;
    if (tls_) {
        auto* const ssl = tls_->stream.native_handle();
        bool const shaken = SSL_is_init_finished(ssl) == 1;
        bool const ended = (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) != 0;
        // As if the client had said goodbye already: otherwise its answer, which may never come, would be waited for.
        SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
        if (shaken && !ended)
            co_await tls_->stream.async_shutdown(asio::redirect_error(use_task, ec));
    }
    socket_.shutdown(tcp_socket::shutdown_send, ec);
}

task<std::size_t> client_stream::read_leftover(asio::mutable_buffer into, error_code& ec) {
    return socket_.async_read_some(into, asio::redirect_error(use_task, ec));
}

void client_stream::cancel() {
    error_code ignored;
    socket_.cancel(ignored);
}

void client_stream::close() {
    error_code ignored;
    socket_.close(ignored);
}

} // namespace klen::webhooks::api
