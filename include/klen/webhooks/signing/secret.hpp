#pragma once

#include "klen/webhooks/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::signing {

/// A webhook's secret: "whsec_" + base64 of its key bytes. Wiped when destroyed; printed by no stream operator and no
/// logger.
class secret {
  public:
    /// 32 random bytes.
    static secret generate();
    /// Checks the form: prefix, canonical base64, 24 to 64 key bytes (Standard Webhooks' range).
    static result<secret> parse(std::string_view text);

    secret(secret const&) = default;
    secret(secret&&) noexcept;
    secret& operator=(secret const&);
    secret& operator=(secret&&) noexcept;
    ~secret();

    /// As shown to the user; also the HMAC key of `X-Klen-Signature`, as these very bytes.
    std::string const& text() const { return text_; }
    /// The bytes after the prefix, decoded: the HMAC key of `webhook-signature`.
    std::vector<std::uint8_t> const& key() const { return key_; }

  private:
    secret() = default;
    std::string text_;
    std::vector<std::uint8_t> key_;
};

/// Overwrites in a way that the compiler may not drop.
void wipe(std::string& text) noexcept;
void wipe(std::vector<std::uint8_t>& bytes) noexcept;

} // namespace klen::webhooks::signing
