#include "kit/sink_tls.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <openssl/err.h>
#include <stdexcept>

namespace klen::bench {

namespace {

ssize_t result_of(SSL& tls, int done) {
    if (done > 0)
        return done;
    auto const why = SSL_get_error(&tls, done);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

} // namespace

sink_tls::sink_tls(certificates const& all) {
    std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    for (auto const& one : all.each) {
        context_ptr made(SSL_CTX_new(TLS_server_method()));
        if (!made || SSL_CTX_use_certificate_chain_file(made.get(), one.file.c_str()) != 1 ||
            SSL_CTX_use_PrivateKey_file(made.get(), one.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
            throw std::runtime_error("the sink cannot use the certificate " + one.file);
        for (auto const& address : one.addresses)
            of_address_[inet_addr(address.c_str())] = made.get();
        contexts_.push_back(std::move(made));
    }
}

ssl_ptr sink_tls::accept(int socket, in_addr_t address) const {
    auto const known = of_address_.find(address);
    ssl_ptr made(SSL_new(known == of_address_.end() ? contexts_.front().get() : known->second));
    if (!made || SSL_set_fd(made.get(), socket) != 1)
        throw std::runtime_error("the sink has no room for a TLS connection");
    SSL_set_accept_state(made.get());
    return made;
}

ssize_t receive_through(SSL& tls, char* to, std::size_t size) {
    ERR_clear_error();
    return result_of(tls, SSL_read(&tls, to, static_cast<int>(size)));
}

ssize_t send_through(SSL& tls, char const* from, std::size_t size) {
    ERR_clear_error();
    return result_of(tls, SSL_write(&tls, from, static_cast<int>(size)));
}

} // namespace klen::bench
