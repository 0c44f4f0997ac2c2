#include "klen/webhooks/signing/secret.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <array>
#include <openssl/crypto.h>
#include <utility>

namespace klen::webhooks::signing {

namespace {

constexpr std::string_view prefix = "whsec_";
constexpr std::size_t key_bytes_min = 24;
constexpr std::size_t key_bytes_max = 64;

} // namespace

void wipe(std::string& text) noexcept {
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

void wipe(std::vector<std::uint8_t>& bytes) noexcept {
    OPENSSL_cleanse(bytes.data(), bytes.size());
    bytes.clear();
}

secret secret::generate() {
    secret out;
    out.key_.resize(32);
    random_bytes(out.key_);
    std::string encoded = base64_encode(out.key_);
    out.text_.reserve(prefix.size() + encoded.size()); // a string that grows leaves a copy behind
    out.text_.append(prefix).append(encoded);
    wipe(encoded);
    return out;
}

result<secret> secret::parse(std::string_view text) {
    auto const refuse = [](char const* why) { return failure{fault::invalid_argument, std::string("secret: ") + why}; };
    if (!text.starts_with(prefix))
        return refuse("must begin with whsec_");
    auto key = base64_decode(text.substr(prefix.size()));
    if (!key)
        return refuse("must be whsec_ and base64 with its padding");
    secret out;
    out.key_ = std::move(*key);
    if (out.key_.size() < key_bytes_min || out.key_.size() > key_bytes_max)
        return refuse("must hold 24 to 64 bytes of key");
    out.text_ = text;
    return out;
}

// A moved-from string may keep its characters (those of a short one stay where they were): wiped all the same.
secret::secret(secret&& other) noexcept : text_(std::move(other.text_)), key_(std::move(other.key_)) {
    wipe(other.text_);
}

secret& secret::operator=(secret const& other) {
    if (this != &other)
        *this = secret(other);
    return *this;
}

secret& secret::operator=(secret&& other) noexcept {
    if (this == &other)
        return *this;
    wipe(text_);
    wipe(key_);
    text_ = std::move(other.text_);
    key_ = std::move(other.key_);
    wipe(other.text_);
    wipe(other.key_);
    return *this;
}

secret::~secret() {
    wipe(text_);
    wipe(key_);
}

} // namespace klen::webhooks::signing
