#pragma once

#include "kit/nginx.hpp"

#include <memory>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <unordered_map>
#include <vector>

namespace klen::bench {

struct tls_deleter {
    void operator()(SSL* it) const { SSL_free(it); }
    void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
};
using ssl_ptr = std::unique_ptr<SSL, tls_deleter>;

/// TLS of a receiver of ours: for each address the certificate that it has. Thread-compatible.
class sink_tls {
  public:
    explicit sink_tls(certificates const& all);

    /// The server's end of a connection to that address, which lasts as long as the socket.
    ssl_ptr accept(int socket, in_addr_t address) const;

  private:
    using context_ptr = std::unique_ptr<SSL_CTX, tls_deleter>;
    std::vector<context_ptr> contexts_;
    std::unordered_map<in_addr_t, SSL_CTX*> of_address_;
};

/// As recv and send: -1 with EAGAIN where the socket has to be waited for, 0 or -1 at its end.
ssize_t receive_through(SSL& tls, char* to, std::size_t size);
ssize_t send_through(SSL& tls, char const* from, std::size_t size);

} // namespace klen::bench
