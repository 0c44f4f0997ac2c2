#include "klen/webhooks/signing/api_key.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::signing {
namespace {

TEST(api_key, sha256_is_the_standards) {
    // FIPS 180-4 examples.
    EXPECT_EQ(hex_encode(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_encode(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(api_key, generated_ones_are_recognised_and_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) {
        api_key const made = api_key::generate();
        EXPECT_EQ(made.text.size(), 54U);
        EXPECT_TRUE(made.text.starts_with("klen_"));
        EXPECT_EQ(made.hash, sha256(made.text));
        EXPECT_EQ(hash_api_key(made.text), made.hash);
        EXPECT_TRUE(seen.insert(made.text).second);
    }
}

TEST(api_key, one_wrong_character_anywhere_is_noticed) {
    api_key const made = api_key::generate();
    for (std::size_t i = 0; i < made.text.size(); ++i) {
        std::string wrong = made.text;
        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(hash_api_key(wrong)) << "at " << i;
    }
}

TEST(api_key, other_texts_are_refused) {
    std::string const good = api_key::generate().text;
    for (std::string const& bad : {std::string(), std::string("klen_"), good.substr(1), good + "A", good.substr(0, 53),
                                   "KLEN_" + good.substr(5), good.substr(0, 10) + '\0' + good.substr(11),
                                   good.substr(0, 10) + "+" + good.substr(11), std::string(54, '\xff')})
        EXPECT_FALSE(hash_api_key(bad)) << bad;
}

TEST(api_key, the_hint_shows_four_characters_of_a_key_and_nothing_of_anything_else) {
    std::string const good = api_key::generate().text;
    EXPECT_EQ(api_key_hint(good), good.substr(0, 9) + "…");
    EXPECT_EQ(api_key_hint("hunter2"), "(not a key)");
    EXPECT_EQ(api_key_hint("klen_short"), "(not a key)");
}

} // namespace
} // namespace klen::webhooks::signing
