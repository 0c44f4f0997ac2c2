// Secrets are overwritten before their memory goes back: nothing of them is found in what was freed, on the stack or in
// OpenSSL's memory. Each test first sees that it would find them.
#define OPENSSL_SUPPRESS_DEPRECATED // the state of a SHA-256, to know what it looks like
#include "signing/memory_watch.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/signing/api_key.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/signing/secret.hpp"
#include "klen/webhooks/signing/signer.hpp"

#include <gtest/gtest.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <memory>

namespace klen::webhooks::signing {
namespace {

using klen::webhooks::testing::memory_watch;
using klen::webhooks::testing::openssl_holds;
using klen::webhooks::testing::stack_after;

std::string_view characters(std::span<std::uint8_t const> bytes) {
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// Copies of what must not be found, made before the watch begins and kept until it is over.
struct traces {
    std::string text; ///< without its beginning: whoever empties a string overwrites that
    std::string key;

    explicit traces(secret const& of) : text(of.text().substr(8)), key(characters(of.key())) {}
    bool in(memory_watch const& seen) const { return seen.freed(text) || seen.freed(key); }
};

struct wiping : ::testing::Test {
    wiping() { EXPECT_TRUE(testing::openssl_is_watched()); }
    /// That text, in memory of its own: where a string would not put it.
    static std::unique_ptr<char[]> copy_of(std::string_view text) {
        auto out = std::make_unique<char[]>(text.size());
        std::ranges::copy(text, out.get());
        return out;
    }
};

TEST_F(wiping, a_watch_sees_what_is_not_wiped) {
    std::string const known = "one that is known, and that nobody wipes";
    memory_watch seen;
    EXPECT_FALSE(seen.freed(known));
    copy_of(known).reset();
    EXPECT_TRUE(seen.freed(known));
    EXPECT_TRUE(seen.freed(known.substr(5)));
    auto const left = stack_after([&] {
        std::array<char volatile, 64> there{};
        std::ranges::copy(known, there.begin());
    });
    EXPECT_NE(left.find(known), std::string::npos);
    void* const of_openssl = OPENSSL_memdup(known.data(), known.size());
    EXPECT_TRUE(openssl_holds(known));
    OPENSSL_clear_free(of_openssl, known.size());
    EXPECT_FALSE(openssl_holds(known));
    EXPECT_FALSE(seen.overflowed());
}

TEST_F(wiping, a_secret_that_is_destroyed_leaves_nothing) {
    auto which = std::make_unique<secret>(secret::generate());
    traces const of(*which);
    memory_watch seen;
    which.reset();
    EXPECT_FALSE(seen.freed(of.text));
    EXPECT_FALSE(seen.freed(of.key));
}

TEST_F(wiping, making_a_secret_leaves_nothing) {
    memory_watch seen;
    auto const made = secret::generate();
    traces const of(made);
    EXPECT_FALSE(of.in(seen));
    auto const parsed = secret::parse(made.text()).value();
    EXPECT_FALSE(of.in(seen));
    EXPECT_EQ(parsed.text(), made.text());
    EXPECT_FALSE(seen.overflowed());
}

TEST_F(wiping, a_text_whose_key_has_a_wrong_length_leaves_no_key) {
    for (std::size_t const bytes : {16U, 80U}) {
        std::vector<std::uint8_t> key(bytes);
        random_bytes(key);
        auto const text = "whsec_" + base64_encode(key);
        memory_watch seen;
        EXPECT_FALSE(secret::parse(text).has_value());
        EXPECT_FALSE(seen.freed(characters(key)));
    }
}

TEST_F(wiping, copies_and_moved_ones_leave_nothing_either) {
    auto const kept = secret::generate();
    traces const of(kept);
    memory_watch seen;
    {
        auto copy = kept;
        auto moved = std::move(copy);
        secret const moved_again(std::move(moved));
        EXPECT_FALSE(of.in(seen));
    }
    EXPECT_FALSE(of.in(seen));
    EXPECT_FALSE(seen.overflowed());
}

TEST_F(wiping, a_secret_that_another_is_assigned_to_leaves_nothing) {
    auto const other = secret::generate();
    for (bool const by_move : {false, true}) {
        auto before = std::make_unique<secret>(secret::generate());
        auto from = std::make_unique<secret>(other);
        traces const of_before(*before);
        traces const of_from(*from);
        memory_watch seen;
        if (by_move)
            *before = std::move(*from);
        else
            *before = *from;
        EXPECT_FALSE(of_before.in(seen)) << by_move;
        EXPECT_EQ(before->text(), other.text());
        from.reset(); // it may have what the other one had
        EXPECT_FALSE(of_before.in(seen)) << by_move;
        EXPECT_FALSE(of_from.in(seen)) << by_move;
        before.reset();
        EXPECT_FALSE(of_before.in(seen) || of_from.in(seen)) << by_move;
    }
}

/// Of the object itself nothing is left either: it lies in memory that is the test's own.
TEST_F(wiping, the_place_of_a_secret_is_clean) {
    auto const kept = secret::generate();
    traces const of(kept);
    alignas(secret) std::array<std::byte, sizeof(secret)> place{};
    auto* const there = new (place.data()) secret(kept);
    EXPECT_EQ(there->text(), kept.text());
    there->~secret();
    std::string left;
    for (std::byte const volatile& b : place)
        left += static_cast<char>(std::to_integer<unsigned char>(b));
    EXPECT_EQ(left.find(of.text.substr(0, 8)), std::string::npos);
    EXPECT_EQ(left.find(of.key.substr(0, 8)), std::string::npos);
}

TEST_F(wiping, short_texts_are_wiped_where_they_are) {
    std::string text = "hunter2!"; // within the string itself
    char const volatile* const at = text.data();
    wipe(text);
    EXPECT_TRUE(text.empty());
    for (std::size_t i = 0; i < 8; ++i)
        EXPECT_EQ(at[i], '\0') << i;
}

// --- master keys

struct wiping_of_master_keys : wiping {
    std::string const text = generate_master_key();
    std::vector<std::uint8_t> const key = base64_decode(text).value();
    std::string_view const raw = characters(key);
    uuid const row = *uuid::parse("0198a8f0-0000-7000-8000-000000000001");
    sealer::place const home{"webhook_secrets", row, "acct_1"};
};

TEST_F(wiping_of_master_keys, a_sealer_that_is_destroyed_leaves_none_of_its_keys) {
    auto const newest = generate_master_key();
    auto const newest_key = base64_decode(newest).value();
    memory_watch seen;
    {
        auto which = sealer::create(newest, "k2").value();
        ASSERT_TRUE(which.add_previous(text, "k1"));
        ASSERT_TRUE(which.add_previous(generate_master_key(), "k0")); // the list grows
        auto const moved = std::move(which);
        EXPECT_EQ(moved.key_checks().size(), 3U);
    }
    EXPECT_FALSE(seen.freed(raw));
    EXPECT_FALSE(seen.freed(characters(newest_key)));
    EXPECT_FALSE(openssl_holds(raw));
    EXPECT_FALSE(seen.overflowed());
}

TEST_F(wiping_of_master_keys, a_sealer_that_another_is_assigned_to_leaves_none_of_its_keys) {
    auto which = sealer::create(text, "k1").value();
    auto other = sealer::create(generate_master_key(), "k2").value();
    memory_watch seen;
    which = std::move(other);
    EXPECT_FALSE(seen.freed(raw));
    EXPECT_EQ(which.key_id(), "k2");
}

TEST_F(wiping_of_master_keys, one_that_is_refused_leaves_nothing) {
    auto const longer = base64_encode(std::vector<std::uint8_t>(key.begin(), key.end() - 2));
    auto which = sealer::create(generate_master_key(), "k1").value();
    memory_watch seen;
    EXPECT_FALSE(sealer::create(longer, "k1"));
    EXPECT_FALSE(sealer::create(text, "a b"));
    EXPECT_FALSE(which.add_previous(text, "k1"));
    EXPECT_FALSE(seen.freed(raw.substr(0, raw.size() - 2)));
}

TEST_F(wiping_of_master_keys, a_new_one_is_left_on_no_stack) {
    std::string* made = nullptr;
    memory_watch seen;
    auto const left = stack_after([&made] { made = new std::string(generate_master_key()); });
    std::unique_ptr<std::string> const owned(made);
    auto const made_key = base64_decode(*made).value();
    EXPECT_EQ(left.find(characters(made_key)), std::string::npos);
    EXPECT_FALSE(seen.freed(characters(made_key)));
}

TEST_F(wiping_of_master_keys, sealing_and_opening_leave_neither_key_nor_text) {
    auto const with = sealer::create(text, "k1").value();
    std::string const plain = "whsec_" + base64_encode(std::vector<std::uint8_t>(32, 0x5a));
    auto sealed = with.seal(plain, home);
    memory_watch seen;
    auto opened = with.open(sealed, "k1", home).value();
    EXPECT_EQ(opened, plain);
    wipe(opened);
    sealed = with.seal(plain, home);
    EXPECT_FALSE(openssl_holds(raw));
    EXPECT_FALSE(seen.freed(raw));
    EXPECT_FALSE(seen.freed(plain));
    EXPECT_FALSE(seen.overflowed());
}

TEST_F(wiping_of_master_keys, what_was_opened_and_is_not_genuine_leaves_nothing) {
    auto const with = sealer::create(text, "k1").value();
    std::string const plain = "whsec_" + base64_encode(std::vector<std::uint8_t>(32, 0x5a));
    auto sealed = with.seal(plain, home);
    sealed.back() ^= 1; // of the tag: all of the text is decrypted before that is noticed
    memory_watch seen;
    EXPECT_FALSE(with.open(sealed, "k1", home));
    EXPECT_FALSE(seen.freed(plain));
    EXPECT_FALSE(seen.freed(plain.substr(8)));
}

// --- API keys

TEST_F(wiping, a_new_api_key_is_left_nowhere) {
    api_key* made = nullptr;
    memory_watch seen;
    auto const left = stack_after([&made] { made = new api_key(api_key::generate()); });
    std::unique_ptr<api_key> const owned(made);
    auto random_part = made->text.substr(5, 43);
    EXPECT_EQ(left.find(random_part), std::string::npos);
    EXPECT_FALSE(seen.freed(random_part));
    std::ranges::replace(random_part, '-', '+');
    std::ranges::replace(random_part, '_', '/');
    auto const bytes = base64_decode(random_part + "=").value();
    EXPECT_EQ(left.find(characters(bytes)), std::string::npos);
    EXPECT_FALSE(seen.freed(characters(bytes)));
}

TEST_F(wiping, an_api_key_that_is_looked_up_is_left_nowhere) {
    auto const made = api_key::generate();
    auto const random_part = made.text.substr(5, 43);
    auto const mistyped = made.text.substr(0, 53) + (made.text.back() == 'A' ? "B" : "A");
    memory_watch seen;
    EXPECT_TRUE(hash_api_key(made.text));
    EXPECT_FALSE(hash_api_key(mistyped));
    EXPECT_FALSE(seen.freed(random_part));
    EXPECT_FALSE(openssl_holds(random_part));
}

// --- prepared HMAC keys

/// What a SHA-256 is in after the first block of an HMAC (RFC 2104), the inner and the outer one: who has these signs
/// like who has the key.
std::array<std::string, 2> prepared_states(std::string_view key) {
    std::array<std::string, 2> out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        std::array<unsigned char, SHA256_CBLOCK> block{};
        std::ranges::copy(key, block.begin());
        for (auto& byte : block)
            byte = static_cast<unsigned char>(byte ^ (i == 0 ? 0x36 : 0x5c));
        SHA256_CTX state;
        SHA256_Init(&state);
        SHA256_Update(&state, block.data(), block.size());
        out[i].assign(reinterpret_cast<char const*>(state.h), sizeof state.h);
    }
    return out;
}

struct wiping_of_hmac_keys : wiping {
    secret const with = secret::generate();
    std::string const key{characters(with.key())};
    std::array<std::string, 2> const states = prepared_states(key);

    bool openssl_has_some() const { return openssl_holds(key) || openssl_holds(states[0]) || openssl_holds(states[1]); }
    bool some_in(memory_watch const& seen) const {
        return seen.freed(key) || seen.freed(states[0]) || seen.freed(states[1]);
    }
};

TEST_F(wiping_of_hmac_keys, one_that_is_destroyed_leaves_neither_key_nor_states) {
    EXPECT_FALSE(openssl_has_some());
    auto which = std::make_unique<hmac_sha256>(with.key());
    which->sign({"message"});
    EXPECT_TRUE(openssl_holds(states[0]) && openssl_holds(states[1])) << "or this test shows nothing";
    memory_watch seen;
    which.reset();
    EXPECT_FALSE(openssl_has_some());
    EXPECT_FALSE(some_in(seen));
}

TEST_F(wiping_of_hmac_keys, one_that_another_is_assigned_to_leaves_nothing) {
    hmac_sha256 which(with.key());
    memory_watch seen;
    which = hmac_sha256(as_bytes("another"));
    EXPECT_FALSE(openssl_has_some());
    EXPECT_FALSE(some_in(seen));
}

TEST_F(wiping_of_hmac_keys, a_webhooks_signer_leaves_nothing_of_any_of_its_secrets) {
    auto const older = secret::generate();
    traces const of(with);
    traces const of_older(older);
    auto const older_states = prepared_states(characters(older.key()));
    memory_watch seen;
    {
        webhook_signer which({{with, {}}, {older, {}}});
        which.sign("id", 1, "body", std::chrono::system_clock::now());
        webhook_signer const moved = std::move(which);
        EXPECT_TRUE(openssl_holds(states[0]) && openssl_holds(older_states[1]));
    }
    EXPECT_FALSE(openssl_has_some());
    EXPECT_FALSE(openssl_holds(of.text) || openssl_holds(of_older.text)) << "its text is the other key";
    EXPECT_FALSE(openssl_holds(older_states[0]) || openssl_holds(older_states[1]));
    EXPECT_FALSE(some_in(seen));
    EXPECT_FALSE(of.in(seen) || of_older.in(seen));
    EXPECT_FALSE(seen.freed(older_states[0]) || seen.freed(older_states[1]));
    EXPECT_FALSE(seen.overflowed());
}

TEST_F(wiping_of_hmac_keys, checking_a_signature_leaves_nothing) {
    traces const of(with);
    memory_watch seen;
    EXPECT_FALSE(verify_klen(with, "nonsense", "body"));
    EXPECT_FALSE(verify_standard_webhooks(with, "id", "1", "v1,x", "body", std::chrono::system_clock::from_time_t(1)));
    EXPECT_FALSE(openssl_has_some());
    EXPECT_FALSE(some_in(seen) || of.in(seen));
}

} // namespace
} // namespace klen::webhooks::signing
