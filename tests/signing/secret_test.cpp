#include "klen/webhooks/signing/secret.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::signing {
namespace {

std::string text_of(std::size_t key_bytes) {
    return "whsec_" + base64_encode(std::vector<std::uint8_t>(key_bytes, 0x5a));
}

TEST(secret, generated_ones_have_32_bytes_and_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        secret const made = secret::generate();
        EXPECT_EQ(made.key().size(), 32U);
        EXPECT_EQ(made.text(), "whsec_" + base64_encode(made.key()));
        EXPECT_TRUE(seen.insert(made.text()).second);
    }
}

TEST(secret, text_comes_back_from_parsing) {
    secret const made = secret::generate();
    auto const parsed = secret::parse(made.text());
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->text(), made.text());
    EXPECT_EQ(parsed->key(), made.key());
}

TEST(secret, keys_of_24_to_64_bytes_are_taken) {
    EXPECT_FALSE(secret::parse(text_of(23)).has_value());
    EXPECT_TRUE(secret::parse(text_of(24)).has_value());
    EXPECT_TRUE(secret::parse(text_of(64)).has_value());
    EXPECT_FALSE(secret::parse(text_of(65)).has_value());
}

TEST(secret, other_forms_are_refused_without_repeating_them) {
    std::string const good = text_of(32);
    std::string const encoded = good.substr(6);
    for (std::string const& bad :
         {std::string(), std::string("whsec_"), encoded, "WHSEC_" + encoded, "whsec-" + encoded, good + " ", " " + good,
          good + "\n", good.substr(0, good.size() - 1), "whsec_" + std::string(43, '-') + "=",
          "whsec_" + std::string(42, 'A') + "B="}) {
        auto const parsed = secret::parse(bad);
        ASSERT_FALSE(parsed.has_value()) << bad;
        EXPECT_EQ(parsed.error().kind, fault::invalid_argument);
        EXPECT_THAT(parsed.error().message, testing::Not(testing::HasSubstr("AAAA")));
        EXPECT_THAT(parsed.error().message, testing::Not(testing::HasSubstr(encoded)));
    }
}

TEST(secret, copies_and_moves_keep_the_value) {
    secret first = secret::generate();
    std::string const text = first.text();
    secret copy = first;
    secret moved = std::move(first);
    secret assigned = secret::generate();
    assigned = copy;
    secret const& alias = assigned;
    assigned = alias;
    copy = std::move(moved);
    EXPECT_EQ(copy.text(), text);
    EXPECT_EQ(assigned.text(), text);
    EXPECT_EQ(assigned.key(), copy.key());
    EXPECT_TRUE(first.text().empty()); // NOLINT(bugprone-use-after-move): that is what is promised
    EXPECT_TRUE(moved.text().empty()); // NOLINT(bugprone-use-after-move)
}

TEST(secret, wiping_leaves_zeros_and_nothing_else) {
    std::string text(64, 'x');
    char const volatile* const characters = text.data();
    wipe(text);
    EXPECT_TRUE(text.empty());
    for (std::size_t i = 0; i < 64; ++i)
        EXPECT_EQ(characters[i], '\0') << i;
    std::vector<std::uint8_t> bytes(8, 7);
    std::uint8_t const volatile* const numbers = bytes.data();
    wipe(bytes);
    EXPECT_TRUE(bytes.empty());
    for (std::size_t i = 0; i < 8; ++i)
        EXPECT_EQ(numbers[i], 0) << i;
}

} // namespace
} // namespace klen::webhooks::signing
