#include "klen/webhooks/signing/signer.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::signing {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::system_clock;

std::string hmac_hex(std::string_view key, std::initializer_list<std::string_view> parts) {
    return hex_encode(hmac_sha256(as_bytes(key)).sign(parts));
}

TEST(hmac_sha256, agrees_with_rfc_4231) {
    struct vector {
        std::string key;
        std::string data;
        std::string_view mac; ///< a prefix for the truncated case
    };
    std::string counting;
    for (char c = 1; c <= 25; ++c)
        counting += c;
    vector const table[] = {
        {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {std::string(20, '\xaa'), std::string(50, '\xdd'),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {counting, std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {std::string(20, '\x0c'), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"},
        {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {std::string(131, '\xaa'),
         "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
         "hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (auto const& [key, data, mac] : table)
        EXPECT_THAT(hmac_hex(key, {data}), testing::StartsWith(std::string(mac)));
}

TEST(hmac_sha256, parts_are_signed_as_one_text) {
    EXPECT_EQ(hmac_hex("key", {"a", "", ".", "bc"}), hmac_hex("key", {"a.bc"}));
    EXPECT_EQ(hmac_hex("", {}), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(hmac_sha256, one_key_signs_many_messages) {
    hmac_sha256 with(as_bytes("Jefe"));
    auto const first = with.sign({"one"});
    EXPECT_NE(with.sign({"two"}), first);
    EXPECT_EQ(with.sign({"one"}), first);
    EXPECT_EQ(hex_encode(with.sign({"what do ya want ", "for nothing?"})),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256 moved = std::move(with);
    EXPECT_EQ(moved.sign({"one"}), first);
}

webhook_signer signer_of(std::vector<webhook_signer::live_secret> secrets) { return webhook_signer(secrets); }

TEST(webhook_signer, agrees_with_the_standard_webhooks_example) {
    auto const known = secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value();
    auto signer = signer_of({{known, std::nullopt}});
    auto const made = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})", clock::now());
    EXPECT_EQ(made.standard_webhooks, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(webhook_signer, klens_form_is_hex_over_the_body_keyed_with_the_text) {
    secret const with = secret::generate();
    auto signer = signer_of({{with, std::nullopt}});
    auto const made = signer.sign("id", 1, "body", clock::now());
    EXPECT_EQ(made.klen, hmac_hex(with.text(), {"body"}));
    EXPECT_EQ(signer.sign("other", 2, "body", clock::now()).klen, made.klen);
}

TEST(webhook_signer, during_a_rotation_every_live_secret_signs_newest_first) {
    secret const newest = secret::generate();
    secret const older = secret::generate();
    auto const now = clock::now();
    auto signer = signer_of({{newest, std::nullopt}, {older, now + 1h}});
    auto const made = signer.sign("id", 5, "body", now);
    auto const only_newest = signer_of({{newest, std::nullopt}}).sign("id", 5, "body", now);
    auto const only_older = signer_of({{older, std::nullopt}}).sign("id", 5, "body", now);
    EXPECT_EQ(made.standard_webhooks, only_newest.standard_webhooks + " " + only_older.standard_webhooks);
    EXPECT_EQ(made.klen, only_newest.klen);
}

TEST(webhook_signer, an_older_secret_stops_signing_when_its_grace_period_ends) {
    secret const newest = secret::generate();
    auto const end = clock::now();
    auto signer = signer_of({{newest, std::nullopt}, {secret::generate(), end}});
    auto const alone = signer_of({{newest, std::nullopt}}).sign("id", 5, "body", end).standard_webhooks;
    EXPECT_NE(signer.sign("id", 5, "body", end - 1ns).standard_webhooks, alone);
    EXPECT_EQ(signer.sign("id", 5, "body", end).standard_webhooks, alone);
}

TEST(webhook_signer, moves_keep_the_keys) {
    auto first = signer_of({{secret::generate(), std::nullopt}});
    auto const now = clock::now();
    auto const before = first.sign("id", 1, "body", now);
    webhook_signer second = std::move(first);
    EXPECT_EQ(second.sign("id", 1, "body", now).standard_webhooks, before.standard_webhooks);
}

class verification : public testing::Test {
  protected:
    secret with = secret::generate();
    clock::time_point now = clock::time_point(std::chrono::seconds(1'772'443'121));
    std::string body = R"({"event_type":"call.ended","timestamp":"t"})";
    signatures made = signer_of({{with, std::nullopt}}).sign("dlv_1", 1'772'443'121, body, now);

    bool standard(std::string_view id, std::string_view timestamp, std::string_view signature,
                  std::string_view text) const {
        return verify_standard_webhooks(with, id, timestamp, signature, text, now);
    }
};

TEST_F(verification, takes_what_was_signed) {
    EXPECT_TRUE(verify_klen(with, made.klen, body));
    EXPECT_TRUE(standard("dlv_1", "1772443121", made.standard_webhooks, body));
    EXPECT_TRUE(standard("dlv_1", "1772443121", "v1,AAAA v2,x " + made.standard_webhooks, body));
    EXPECT_TRUE(standard("dlv_1", "1772443121", made.standard_webhooks + " v1,AAAA", body));
}

TEST_F(verification, refuses_what_was_changed) {
    std::string other = made.klen;
    other[0] = other[0] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(verify_klen(with, other, body));
    EXPECT_FALSE(verify_klen(with, made.klen, body + " "));
    EXPECT_FALSE(verify_klen(with, made.klen.substr(1), body));
    EXPECT_FALSE(verify_klen(with, "", body));
    EXPECT_FALSE(verify_klen(secret::generate(), made.klen, body));

    EXPECT_FALSE(standard("dlv_2", "1772443121", made.standard_webhooks, body));
    EXPECT_FALSE(standard("dlv_1", "1772443122", made.standard_webhooks, body));
    EXPECT_FALSE(standard("dlv_1", "1772443121", made.standard_webhooks, body + " "));
    EXPECT_FALSE(standard("dlv_1", "1772443121", made.standard_webhooks.substr(3), body));
    EXPECT_FALSE(standard("dlv_1", "1772443121", "", body));
    EXPECT_FALSE(standard("dlv_1", "1772443121", " ", body));
    EXPECT_FALSE(standard("", "1772443121", made.standard_webhooks, body));
}

TEST_F(verification, refuses_old_future_and_odd_timestamps) {
    auto const at = [&](std::int64_t seconds) {
        auto const signed_then = signer_of({{with, std::nullopt}}).sign("dlv_1", seconds, body, now);
        return standard("dlv_1", std::to_string(seconds), signed_then.standard_webhooks, body);
    };
    EXPECT_TRUE(at(1'772'443'121 - 300));
    EXPECT_FALSE(at(1'772'443'121 - 301));
    EXPECT_TRUE(at(1'772'443'121 + 300));
    EXPECT_FALSE(at(1'772'443'121 + 301));
    for (auto const* odd : {"", "abc", "1772443121.0", " 1772443121", "1772443121 ", "+1772443121",
                            "99999999999999999999", "-9223372036854775808", "0x69a55831"})
        EXPECT_FALSE(standard("dlv_1", odd, made.standard_webhooks, body)) << odd;
}

} // namespace
} // namespace klen::webhooks::signing
