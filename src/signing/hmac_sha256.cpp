#include "klen/webhooks/signing/signer.hpp"

#include "klen/webhooks/base/log.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace klen::webhooks::signing {

namespace {

/// Looking an algorithm up by name costs more than a signature: done once.
EVP_MAC* hmac_algorithm() {
    static EVP_MAC* const found = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    if (found == nullptr)
        bug("OpenSSL has no HMAC");
    return found;
}

} // namespace

/// A context re-initialised without a key starts anew from the key's prepared state: 0.6 µs less for 1 KB than the
/// one-shot call, and no allocation. (OpenSSL before 3.0.3 did not reset it: openssl/openssl#18100; the test
/// `one_key_signs_many_messages` holds this.)
struct hmac_sha256::impl {
    EVP_MAC_CTX* context = nullptr;

    impl() = default;
    impl(impl const&) = delete;
    impl& operator=(impl const&) = delete;
    ~impl() { EVP_MAC_CTX_free(context); } // clears the key
};

hmac_sha256::hmac_sha256(std::span<std::uint8_t const> key) : impl_(std::make_unique<impl>()) {
    impl_->context = EVP_MAC_CTX_new(hmac_algorithm());
    std::string digest = "SHA256";
    OSSL_PARAM const params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                                 OSSL_PARAM_construct_end()};
    // A null pointer would mean "the key you have" instead of an empty key.
    static constexpr std::uint8_t empty = 0;
    std::uint8_t const* const bytes = key.empty() ? &empty : key.data();
    if (impl_->context == nullptr || EVP_MAC_init(impl_->context, bytes, key.size(), params) != 1)
        bug("an HMAC key could not be set up");
}

hmac_sha256::~hmac_sha256() = default;
hmac_sha256::hmac_sha256(hmac_sha256&&) noexcept = default;
hmac_sha256& hmac_sha256::operator=(hmac_sha256&&) noexcept = default;

std::array<std::uint8_t, 32> hmac_sha256::sign(std::initializer_list<std::string_view> parts) {
    EVP_MAC_CTX* const context = impl_->context;
    bool ok = EVP_MAC_init(context, nullptr, 0, nullptr) == 1;
    for (std::string_view const part : parts)
        ok = ok && EVP_MAC_update(context, reinterpret_cast<unsigned char const*>(part.data()), part.size()) == 1;
    std::array<std::uint8_t, 32> out{};
    std::size_t length = 0;
    ok = ok && EVP_MAC_final(context, out.data(), &length, out.size()) == 1 && length == out.size();
    if (!ok)
        bug("an HMAC could not be computed"); // sending a wrong signature would be worse
    return out;
}

} // namespace klen::webhooks::signing
