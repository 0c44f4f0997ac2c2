#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace klen::webhooks::testing {

/// What the calling thread asks of the kernel while an audit lives: every connect(), and how much it reads from whom.
/// Works by linking `connect`, `recv` and `recvmsg` of our own in front of the C library's, so no code under test can
/// forget to tell. One at a time per thread; receivers in threads of their own are not counted.
class socket_audit {
  public:
    socket_audit();
    ~socket_audit();
    socket_audit(socket_audit const&) = delete;
    socket_audit& operator=(socket_audit const&) = delete;

    struct destination {
        std::string address; ///< "127.0.0.1", "::1"
        std::uint16_t port = 0;
        bool stream = false; ///< TCP
    };
    /// Of connect(), in order.
    std::vector<destination> const& connected() const { return connected_; }
    /// Over TCP, from peers with this port.
    std::size_t bytes_read_from(std::uint16_t port) const;

    /// For the functions in front of the C library's.
    void saw_connect(destination where) { connected_.push_back(std::move(where)); }
    void saw_read(int fd, std::size_t bytes);

  private:
    std::vector<destination> connected_;
    std::map<std::uint16_t, std::size_t> read_;
};

} // namespace klen::webhooks::testing
