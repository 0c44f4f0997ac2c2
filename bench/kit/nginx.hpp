#pragma once

#include "kit/process.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace klen::bench {

/// A certificate with its key, both files PEM; it is its own authority.
struct certificate {
    std::string file;
    std::string key_file;
};
/// Made with openssl; for the addresses of the first `hosts` receivers.
certificate make_certificate(std::string const& dir, std::size_t hosts);

/// The address of receiver n: each has one of its own, 127.0.1.1, 127.0.1.2, …
std::string receiver_address(std::size_t n);

/// A receiver that is not ours: nginx with one worker process, which answers every request on every address at once.
class nginx_receiver {
  public:
    struct options {
        std::string dir; ///< for its configuration; an empty folder
        int status = 200;
        certificate const* tls = nullptr; ///< speaks TLS when set
    };
    explicit nginx_receiver(options const& how);

    std::uint16_t port() const { return port_; }
    double cpu_seconds() const; ///< of all its processes so far
    void stop() { process_->stop(std::chrono::seconds(10)); }

  private:
    std::uint16_t port_;
    std::unique_ptr<process> process_;
};

} // namespace klen::bench
