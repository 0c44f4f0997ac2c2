#include "klen/webhooks/signing/signer.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"

namespace klen::webhooks::signing {

struct webhook_signer::impl {
    struct versioned {
        hmac_sha256 hmac;
        std::optional<std::chrono::system_clock::time_point> expires_at;
    };
    hmac_sha256 klen;
    std::vector<versioned> standard; ///< newest first
};

webhook_signer::webhook_signer(std::vector<live_secret> const& secrets) {
    if (secrets.empty())
        bug("a webhook without a secret was to be signed for");
    impl_ = std::make_unique<impl>(impl{hmac_sha256(as_bytes(secrets.front().value.text())), {}});
    impl_->standard.reserve(secrets.size());
    for (auto const& each : secrets)
        impl_->standard.push_back({hmac_sha256(each.value.key()), each.expires_at});
}

webhook_signer::~webhook_signer() = default;
webhook_signer::webhook_signer(webhook_signer&&) noexcept = default;
webhook_signer& webhook_signer::operator=(webhook_signer&&) noexcept = default;

signatures webhook_signer::sign(std::string_view message_id, std::int64_t unix_seconds, std::string_view body,
                                std::chrono::system_clock::time_point now) {
    std::string const seconds = std::to_string(unix_seconds);
    signatures out;
    out.klen = hex_encode(impl_->klen.sign({body}));
    for (auto& each : impl_->standard) {
        bool const newest = &each == &impl_->standard.front();
        if (!newest && each.expires_at && *each.expires_at <= now)
            continue;
        out.standard_webhooks += newest ? "v1," : " v1,";
        out.standard_webhooks += base64_encode(each.hmac.sign({message_id, ".", seconds, ".", body}));
    }
    return out;
}

} // namespace klen::webhooks::signing
