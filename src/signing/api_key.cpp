#include "klen/webhooks/signing/api_key.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <algorithm>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace klen::webhooks::signing {

namespace {

constexpr std::string_view prefix = "klen_";
constexpr std::size_t random_characters = 43; // base64url of 32 bytes, without padding
constexpr std::size_t checksum_characters = 6;
constexpr std::size_t key_characters = prefix.size() + random_characters + checksum_characters;

std::string base64url(std::span<std::uint8_t const> bytes) {
    std::string out = base64_encode(bytes);
    out.erase(std::ranges::find(out, '='), out.end());
    std::ranges::replace(out, '+', '-');
    std::ranges::replace(out, '/', '_');
    return out;
}

bool is_base64url(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

/// Tells a key from a typing error. Says nothing of the stored hash: that is over the whole text, without the label.
std::string checksum(std::string_view random_part) {
    constexpr std::string_view label = "klen-webhooks api key checksum 1:";
    std::string labelled;
    labelled.reserve(label.size() + random_part.size()); // a string that grows leaves a copy behind
    labelled.append(label).append(random_part);
    auto const hash = sha256(labelled);
    wipe(labelled);
    return base64url(hash).substr(0, checksum_characters);
}

EVP_MD const* sha256_algorithm() {
    static EVP_MD const* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    if (found == nullptr)
        bug("OpenSSL has no SHA-256");
    return found;
}

} // namespace

std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
    std::array<std::uint8_t, 32> out{};
    if (EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, sha256_algorithm(), nullptr) != 1)
        bug("a SHA-256 could not be computed");
    return out;
}

api_key api_key::generate() {
    std::array<std::uint8_t, 32> bytes{};
    random_bytes(bytes);
    std::string random_part = base64url(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    api_key out;
    out.text.reserve(key_characters);
    out.text.append(prefix).append(random_part).append(checksum(random_part));
    wipe(random_part);
    out.hash = sha256(out.text);
    return out;
}

std::optional<std::array<std::uint8_t, 32>> hash_api_key(std::string_view text) {
    if (text.size() != key_characters || !text.starts_with(prefix) || !is_base64url(text.substr(prefix.size())))
        return std::nullopt;
    std::string_view const random_part = text.substr(prefix.size(), random_characters);
    if (checksum(random_part) != text.substr(prefix.size() + random_characters))
        return std::nullopt;
    return sha256(text);
}

std::string api_key_hint(std::string_view text) {
    constexpr std::size_t shown = prefix.size() + 4;
    bool const is_key =
        text.size() == key_characters && text.starts_with(prefix) && is_base64url(text.substr(prefix.size()));
    return is_key ? std::string(text.substr(0, shown)) + "…" : "(not a key)";
}

} // namespace klen::webhooks::signing
