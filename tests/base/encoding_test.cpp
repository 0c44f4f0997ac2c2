#include "klen/webhooks/base/encoding.hpp"

#include <set>

#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

std::string decoded(std::string_view text) {
    auto const bytes = base64_decode(text);
    return bytes ? std::string(bytes->begin(), bytes->end()) : "(refused)";
}

// RFC 4648 §10.
TEST(base64, test_vectors_of_the_standard) {
    std::pair<std::string, std::string> const vectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (auto const& [plain, text] : vectors) {
        EXPECT_EQ(base64_encode(as_bytes(plain)), text);
        EXPECT_EQ(decoded(text), plain);
    }
}

TEST(base64, every_length_and_byte_survives) {
    std::vector<std::uint8_t> bytes;
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
        bytes.push_back(static_cast<std::uint8_t>(255 - i % 256));
    }
}

TEST(base64, everything_but_the_canonical_form_is_refused) {
    for (std::string const text : {
             "Zg",       "Zg=",   "Zm8",  "Z",    "====",     "=",    "Zg===",    "Zm9v=",
             "Zm9v====", "Zh==",  "Zm9=", // trailing bits
             "Zm9v\n",   " Zm9v", "Zm 9", "Zm-_", "Zg==Zg==", "Z===", "Zm9vZg=a", "\xc3\xa9Zg",
         })
        EXPECT_EQ(decoded(text), "(refused)") << text;
    EXPECT_FALSE(base64_decode(std::string_view("Zm\0v", 4)));
}

TEST(hex, is_lower_case_and_reads_both_cases) {
    std::vector<std::uint8_t> const bytes{0x00, 0x7f, 0x80, 0xab, 0xff};
    EXPECT_EQ(hex_encode(bytes), "007f80abff");
    EXPECT_EQ(hex_decode("007f80abff"), bytes);
    EXPECT_EQ(hex_decode("007F80ABFF"), bytes);
    EXPECT_EQ(hex_decode(""), std::vector<std::uint8_t>());
    for (char const* text : {"0", "0g", "0x00", " 0", "00 "})
        EXPECT_FALSE(hex_decode(text)) << text;
}

TEST(random, bytes_differ) {
    std::set<std::vector<std::uint8_t>> seen;
    for (int i = 0; i < 100; ++i) {
        std::vector<std::uint8_t> bytes(16);
        random_bytes(bytes);
        seen.insert(bytes);
    }
    EXPECT_EQ(seen.size(), 100u);
}

TEST(utf8, well_formed_text_is_taken) {
    for (std::string const text : {
             "",
             "plain",
             "\x01\x7f",
             "\xc2\x80",
             "\xdf\xbf",
             "\xe0\xa0\x80",
             "\xed\x9f\xbf",
             "\xee\x80\x80",
             "\xef\xbf\xbf",
             "\xf0\x90\x80\x80",
             "\xf4\x8f\xbf\xbf",
             "é€😀",
         })
        EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
}

// The rows of Unicode's table 3-7, each broken in every way.
TEST(utf8, ill_formed_text_is_refused) {
    for (std::string const text : {
             "\x80", // a tail without a head
             "\xbf",
             "\xc0\x80", // overlong NUL
             "\xc1\xbf",
             "\xc2",         // cut off
             "\xc2\x41",     // no tail
             "\xe0\x80\x80", // overlong
             "\xe0\x9f\xbf",
             "\xe1\x80",
             "\xe1\x80\x41",
             "\xed\xa0\x80",     // first surrogate
             "\xed\xbf\xbf",     // last surrogate
             "\xf0\x80\x80\x80", // overlong
             "\xf0\x8f\xbf\xbf",
             "\xf1\x80\x80",
             "\xf4\x90\x80\x80", // past U+10FFFF
             "\xf5\x80\x80\x80",
             "\xfe",
             "\xff",
             "good\xe2\x82", // cut off at the end
         })
        EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
}

} // namespace
} // namespace klen::webhooks
