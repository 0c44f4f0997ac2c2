#include "egress/tls_stream.hpp"

#include <boost/asio/ssl/error.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace klen::webhooks::egress {

/// How OpenSSL reaches the socket. To it the socket never fails, it only has nothing yet: after a failure it would
/// refuse to go on, and what came in before it would be lost. A failure to send is nobody's; one to receive is kept,
/// and told when everything before it was read.
struct tls_stream::socket_bio {
    static BIO* make(tls_stream& of) {
        static BIO_METHOD const* const how = method();
        BIO* const out = how != nullptr ? BIO_new(how) : nullptr;
        if (out != nullptr) {
            BIO_set_data(out, &of);
            BIO_set_init(out, 1);
        }
        return out;
    }

  private:
    static BIO_METHOD* method() {
        BIO_METHOD* const out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "klen-webhooks socket");
        if (out == nullptr || BIO_meth_set_write(out, send) != 1 || BIO_meth_set_read(out, receive) != 1 ||
            BIO_meth_set_ctrl(out, control) != 1)
            return nullptr;
        return out;
    }
    static tls_stream& owner(BIO* bio) { return *static_cast<tls_stream*>(BIO_get_data(bio)); }

    static int send(BIO* bio, char const* data, int size) {
        BIO_clear_retry_flags(bio);
        auto& by = owner(bio);
        while (!by.send_failed_ && by.socket_.is_open()) {
            auto const n = ::send(by.socket_.native_handle(), data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
            if (n >= 0)
                return static_cast<int>(n);
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                BIO_set_retry_write(bio);
                return -1;
            }
            by.send_failed_ = true;
        }
        return size;
    }

    static int receive(BIO* bio, char* data, int size) {
        BIO_clear_retry_flags(bio);
        auto& to = owner(bio);
        while (!to.ended_ && to.allowance_ > 0) {
            if (!to.socket_.is_open()) {
                to.ended_ = asio::error::operation_aborted;
                break;
            }
            auto const most = std::min(static_cast<std::size_t>(size), to.allowance_);
            auto const n = ::recv(to.socket_.native_handle(), data, most, 0);
            if (n > 0) {
                to.allowance_ -= static_cast<std::size_t>(n);
                return static_cast<int>(n);
            }
            if (n == 0)
                to.ended_ = asio::ssl::error::stream_truncated;
            else if (errno == EAGAIN || errno == EWOULDBLOCK)
                break;
            else if (errno != EINTR)
                to.ended_ = error_code(errno, asio::error::get_system_category());
        }
        BIO_set_retry_read(bio);
        return -1;
    }

    static long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }
};

tls_stream::tls_stream(asio::ip::tcp::socket& socket, SSL_CTX* context)
    : socket_(socket), ssl_(SSL_new(context), SSL_free) {
    auto* const bio = ssl_ ? socket_bio::make(*this) : nullptr;
    if (bio == nullptr) {
        ssl_.reset();
        return;
    }
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_connect_state(ssl_.get());
    SSL_set_msg_callback(ssl_.get(), on_message);
    SSL_set_msg_callback_arg(ssl_.get(), this);
    SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

void tls_stream::begin_call() {
    ERR_clear_error(); // the queue is one for all connections of the thread
    allowance_ = received_at_once;
}

asio::socket_base::wait_type tls_stream::wanted() const {
    return SSL_want_write(ssl_.get()) ? asio::socket_base::wait_write : asio::socket_base::wait_read;
}

/// OpenSSL has read a message, and goes on with the next one.
void tls_stream::on_message(int sent, int, int type, void const* message, std::size_t size, SSL*, void* self) {
    if (sent != 0 || type != SSL3_RT_HANDSHAKE || size == 0)
        return;
    auto& to = *static_cast<tls_stream*>(self);
    bool const asks_for_another = *static_cast<unsigned char const*>(message) == SSL3_MT_HELLO_REQUEST && to.shaken_;
    if (++to.messages_ > messages_max || asks_for_another)
        to.refuse();
}

/// Nothing is received and nothing is sent any more.
void tls_stream::refuse() {
    if (!failed_)
        failed_.assign(static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_MESSAGE)),
                       asio::error::get_ssl_category());
    send_failed_ = true;
    allowance_ = 0;
}

tls_stream::error_code tls_stream::reason(int returned) {
    if (failed_)
        return failed_;
    switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
        return ended_ ? ended_ : error_code(asio::error::would_block);
    case SSL_ERROR_WANT_WRITE:
        return asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN:
        return asio::error::eof;
    default:
        break;
    }
    // OpenSSL says it once, and perhaps to the write, which nobody asks.
    if (auto const code = ERR_get_error(); code != 0) {
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
            failed_ = asio::error::no_memory;
        else
            failed_.assign(static_cast<int>(code), asio::error::get_ssl_category());
    }
    return failed_ ? failed_ : error_code(asio::ssl::error::unspecified_system_error);
}

template <class Call>
task<tls_stream::error_code> tls_stream::drive(Call call) {
    error_code ec = asio::error::no_memory;
    while (ssl_) {
        begin_call();
        int const done = call();
        ec = done == 1 ? error_code() : reason(done);
        if (ec != asio::error::would_block)
            break;
        // The wait before may have ended well and this been cancelled since: another one would throw.
        asio::cancellation_state const asked = co_await asio::this_coro::cancellation_state;
        if (asked.cancelled() != asio::cancellation_type::none) {
            ec = asio::error::operation_aborted;
            break;
        }
        error_code failed;
        co_await socket_.async_wait(wanted(), asio::redirect_error(use_task, failed));
        if (failed) {
            ec = failed;
            break;
        }
    }
    co_return ec;
}

task<tls_stream::error_code> tls_stream::handshake() {
    auto shake_hands = [this] {
        int const done = SSL_do_handshake(ssl_.get());
        shaken_ = done == 1;
        return done;
    };
    return drive(std::move(shake_hands));
}

task<std::size_t> tls_stream::read_some(asio::mutable_buffer into, error_code& ec) {
    std::size_t n = 0;
    auto read = [this, into, &n] {
        int const done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &n);
        if (done == 1)
            messages_ = 0;
        return done;
    };
    ec = co_await drive(std::move(read));
    co_return n;
}

std::size_t tls_stream::write_some(std::string_view what, error_code& ec) {
    if (!ssl_) {
        ec = asio::error::no_memory;
        return 0;
    }
    begin_call();
    std::size_t n = 0;
    int const done = SSL_write_ex(ssl_.get(), what.data(), what.size(), &n);
    ec = done == 1 ? error_code() : reason(done);
    if (!ec && send_failed_)
        ec = asio::error::connection_reset;
    return n;
}

void tls_stream::release_buffers() {
    if (is_quiet())
        SSL_free_buffers(ssl_.get());
}

} // namespace klen::webhooks::egress
