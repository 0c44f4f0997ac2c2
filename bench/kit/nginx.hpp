#pragma once

#include "kit/process.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace klen::bench {

/// A certificate with its key, both files PEM; it is its own authority.
struct certificate {
    std::string file;
    std::string key_file;
    std::vector<std::string> addresses;
};
/// Of receivers, few to a certificate: a handshake carries all of its addresses.
struct certificates {
    std::vector<certificate> each;
    std::string authorities; ///< a file with all of them
};
/// Made with openssl; for the addresses of the first `hosts` receivers.
certificates make_certificates(std::string const& dir, std::size_t hosts);

/// The address of receiver n: each has one of its own, 127.0.1.1, 127.0.1.2, …
std::string receiver_address(std::size_t n);

/// A receiver that is not ours: nginx with one worker process, which answers every request on every address at once.
class nginx_receiver {
  public:
    struct options {
        std::string dir; ///< for its configuration; an empty folder
        int status = 200;
        certificates const* tls = nullptr; ///< speaks TLS when set
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
