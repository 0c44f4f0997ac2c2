#pragma once

#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::signing {

/// HMAC-SHA256 (RFC 2104) with its key schedule done once: a copy of the state per message. Not thread-safe.
class hmac_sha256 {
  public:
    explicit hmac_sha256(std::span<std::uint8_t const> key);
    ~hmac_sha256();
    hmac_sha256(hmac_sha256&&) noexcept;
    hmac_sha256& operator=(hmac_sha256&&) noexcept;

    /// Over the concatenation of `parts`.
    std::array<std::uint8_t, 32> sign(std::initializer_list<std::string_view> parts);

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// The two signatures of one attempt.
struct signatures {
    std::string klen;              ///< X-Klen-Signature: lower-case hex over the body, newest secret
    std::string standard_webhooks; ///< webhook-signature: "v1,…" per live secret, newest first, spaces between
};

/// Signs for one webhook. Holds the key states of its live secrets. Not thread-safe: one belongs to one lane.
class webhook_signer {
  public:
    struct live_secret {
        secret value;
        /// An older secret of a rotation signs until then (wall clock); the newest has none.
        std::optional<std::chrono::system_clock::time_point> expires_at;
    };
    /// `secrets`: newest first, at least one.
    explicit webhook_signer(std::vector<live_secret> const& secrets);
    ~webhook_signer();
    webhook_signer(webhook_signer&&) noexcept;
    webhook_signer& operator=(webhook_signer&&) noexcept;

    /// `message_id` is the delivery id, `unix_seconds` what `X-Klen-Timestamp` and `webhook-timestamp` say.
    signatures sign(std::string_view message_id, std::int64_t unix_seconds, std::string_view body,
                    std::chrono::system_clock::time_point now);

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// What a receiver does with the headers it got; for `listen` and for tests. Constant-time comparison.
bool verify_klen(secret const& with, std::string_view signature_header, std::string_view body);
/// `tolerance`: how far `timestamp_header` may be from `now`; Standard Webhooks says 5 minutes.
bool verify_standard_webhooks(secret const& with, std::string_view id_header, std::string_view timestamp_header,
                              std::string_view signature_header, std::string_view body,
                              std::chrono::system_clock::time_point now,
                              std::chrono::seconds tolerance = std::chrono::minutes(5));

} // namespace klen::webhooks::signing
