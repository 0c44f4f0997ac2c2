#pragma once

#include "klen/webhooks/policy/attempt_result.hpp"
#include "support/sanitized.hpp"
#include "support/scripted_receiver.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::egress {

/// Of each attempt here: short, so that those that wait for it do not take long, and long enough for a busy machine to
/// do everything else that the table says within it.
inline constexpr std::chrono::milliseconds deadline{testing::sanitized ? 2100 : 700};
/// Between the bytes of a receiver that goes on for longer than any attempt.
inline constexpr std::chrono::milliseconds tick = deadline / 140;
/// A pause that no attempt outlasts.
inline constexpr std::chrono::milliseconds too_late = deadline + std::chrono::milliseconds(500);

/// One way to misbehave, and what the attempt must make of it.
struct behaviour {
    std::string name;
    /// One for each connection; all further ones do as the last.
    std::vector<testing::script> connections;
    policy::error_class error = policy::error_class::none;
    int status = 0;

    enum class transport { both, plain, tls };
    transport over = transport::both;
    /// Nothing ends the attempt but its deadline; all others end well before.
    bool at_deadline = false;
    /// A first request on the same connection is answered well, and then comes the one that this is about.
    bool kept_alive = false;
    /// Of TCP, all requests taken together.
    int connections_made = 1;
    std::size_t body_bytes = 100;
    /// Read from the receiver, at most: of what it could send for ever.
    std::size_t bytes_max = 65'536;
    /// Found in the message that the customer's developer reads.
    std::string says{};
    /// TLS receivers: an ordinary certificate when not set.
    std::function<testing::scripted_receiver::options(testing::test_ca const&)> tls{};
    /// The URL says https, and the receiver's script stands in for the handshake.
    bool no_handshake = false;
    /// The host in the URL; empty: the receiver's address.
    std::string host{};

    behaviour until_the_deadline() const {
        auto out = *this;
        out.at_deadline = true;
        return out;
    }
    behaviour with_body(std::size_t bytes) const {
        auto out = *this;
        out.body_bytes = bytes;
        return out;
    }
    behaviour saying(std::string text) const {
        auto out = *this;
        out.says = std::move(text);
        return out;
    }
};

struct behaviours {
    std::string_view about;
    std::vector<behaviour> rows;
};

/// The table: docs/CONTRACT.md, "What counts as delivered", line by line.
std::vector<behaviours> const& hostile_receivers();

} // namespace klen::webhooks::egress
