#include "klen/webhooks/signing/signer.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <charconv>
#include <openssl/crypto.h>

namespace klen::webhooks::signing {

namespace {

/// Takes the same time wherever two texts of one length differ.
bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool is_recent(std::string_view timestamp, std::chrono::system_clock::time_point now, std::chrono::seconds tolerance) {
    std::int64_t seconds = 0;
    auto const [end, ec] = std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), seconds);
    if (ec != std::errc{} || end != timestamp.data() + timestamp.size())
        return false;
    std::int64_t const clock = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    return seconds >= clock - tolerance.count() && seconds <= clock + tolerance.count();
}

} // namespace

bool verify_klen(secret const& with, std::string_view signature_header, std::string_view body) {
    return same(hex_encode(hmac_sha256(as_bytes(with.text())).sign({body})), signature_header);
}

bool verify_standard_webhooks(secret const& with, std::string_view id_header, std::string_view timestamp_header,
                              std::string_view signature_header, std::string_view body,
                              std::chrono::system_clock::time_point now, std::chrono::seconds tolerance) {
    if (id_header.empty() || !is_recent(timestamp_header, now, tolerance))
        return false;
    std::string const expected =
        "v1," + base64_encode(hmac_sha256(with.key()).sign({id_header, ".", timestamp_header, ".", body}));
    bool found = false;
    while (!signature_header.empty()) {
        auto const space = signature_header.find(' ');
        found |= same(expected, signature_header.substr(0, space));
        signature_header.remove_prefix(space == std::string_view::npos ? signature_header.size() : space + 1);
    }
    return found;
}

} // namespace klen::webhooks::signing
