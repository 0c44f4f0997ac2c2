#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::signing {

/// An API key: "klen_" + 43 characters base64url of 256 random bits + 6 characters of checksum (so that a secret
/// scanner and a typing error are told apart from a real key without asking the database).
struct api_key {
    std::string text;                    ///< shown once
    std::array<std::uint8_t, 32> hash{}; ///< SHA-256 of the text: what is stored
    static api_key generate();
};

/// The hash to look up; nothing when the text cannot be a key (prefix, length, alphabet, checksum).
std::optional<std::array<std::uint8_t, 32>> hash_api_key(std::string_view text);

/// The first characters, enough to recognise a key in a list ("klen_3fQx…").
std::string api_key_hint(std::string_view text);

std::array<std::uint8_t, 32> sha256(std::string_view bytes);

} // namespace klen::webhooks::signing
