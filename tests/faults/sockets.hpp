#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace klen::webhooks::faults {

/// Microseconds of the wall clock: PostgreSQL on this machine reads the same one, so its times compare with ours.
using wall_us = std::int64_t;
wall_us now_us();

/// Owns a descriptor.
class descriptor {
  public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor() { close(); }
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void close();
    /// Ends a connection with a RST.
    void reset();
    /// Says that no byte follows.
    void half_close() const;

  private:
    int fd_ = -1;
};

/// Wakes a thread that polls.
class wake_pipe {
  public:
    wake_pipe();
    int reader() const { return reader_.get(); }
    void wake() const;
    void drain() const;

  private:
    descriptor reader_;
    descriptor writer_;
};

/// Non-blocking; on a free port of 127.0.0.1.
descriptor listen_on_loopback(std::uint16_t& port);
/// Non-blocking; empty when nobody waits.
descriptor accept_from(descriptor const& listener);
/// Non-blocking once connected; empty when refused.
descriptor connect_to_unix(std::string const& path);

enum class io { done, blocked, closed };
/// Appends what is there, 64 KiB at most.
io read_some(int fd, std::string& into);
/// Takes from the front of `from` what could be written.
io write_some(int fd, std::string& from);

/// Whether somebody answers on that port of 127.0.0.1 within `bound`: with a connection, or a refusal.
bool answers(std::uint16_t port, std::chrono::milliseconds bound);

/// False: every packet that comes for it is dropped by the kernel, as if it had never arrived.
void let_packets_in(int fd, bool in);

/// Waits for `time` and nothing else.
void pause_for(std::chrono::milliseconds time);

} // namespace klen::webhooks::faults
