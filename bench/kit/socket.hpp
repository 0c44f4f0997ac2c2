#pragma once

#include <cstdint>
#include <string>

namespace klen::bench {

/// Owns a file descriptor.
class descriptor {
  public:
    descriptor() = default;
    explicit descriptor(int number) : number_(number) {}
    ~descriptor();
    descriptor(descriptor&& other) noexcept;
    descriptor& operator=(descriptor&& other) noexcept;

    int get() const { return number_; }
    explicit operator bool() const { return number_ >= 0; }

  private:
    int number_ = -1;
};

/// Without delay of small packets; throws.
descriptor connect_to_loopback(std::uint16_t port);

/// A TCP port that is free on every address now.
std::uint16_t free_port();

/// Waits until somebody listens there, ten seconds at most; false when nobody does.
bool listens_soon(std::uint16_t port);

/// As many files as may be open; each connection needs one, on both sides.
void raise_file_limit();

/// One request over a connection of its own and its answer's body; for setting up. Throws when the status is another.
std::string call(std::uint16_t port, std::string const& method, std::string const& path, std::string const& key,
                 std::string const& body, int expected_status);

} // namespace klen::bench
