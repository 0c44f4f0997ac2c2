#include "klen/webhooks/signing/sealer.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace klen::webhooks::signing {
namespace {

uuid const row = *uuid::parse("0198a8f0-0000-7000-8000-000000000001");
uuid const other_row = *uuid::parse("0198a8f0-0000-7000-8000-000000000002");
sealer::place const home{"webhook_secrets", row, "acct_1"};

sealer make(std::string_view key_id = "k1") { return sealer::create(generate_master_key(), key_id).value(); }

TEST(sealer, what_was_sealed_opens_again) {
    sealer const with = make();
    for (std::string const& plain :
         {std::string(), std::string("whsec_abc"), std::string(1000, '\0'), std::string("\xff\xfe")}) {
        auto const sealed = with.seal(plain, home);
        EXPECT_EQ(sealed.size(), 1 + 12 + plain.size() + 16);
        auto const opened = with.open(sealed, "k1", home);
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(*opened, plain);
    }
}

TEST(sealer, the_same_text_is_sealed_differently_each_time) {
    sealer const with = make();
    std::set<std::vector<std::uint8_t>> seen;
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(seen.insert(with.seal("same", home)).second);
}

TEST(sealer, a_sealed_value_does_not_open_at_another_place) {
    sealer const with = make();
    auto const sealed = with.seal("secret", home);
    // The last two would be the same bytes if the parts were only put behind one another.
    sealer::place const table[] = {{"webhooks", row, "acct_1"},
                                   {"webhook_secrets", other_row, "acct_1"},
                                   {"webhook_secrets", row, "acct_2"},
                                   {"webhook_secrets", row, "acct_1k"},
                                   {"webhook_secret", row, "sacct_1"}};
    for (auto const& elsewhere : table) {
        auto const opened = with.open(sealed, "k1", elsewhere);
        ASSERT_FALSE(opened.has_value()) << elsewhere.table << ' ' << elsewhere.account_id;
        EXPECT_EQ(opened.error().kind, fault::corrupt);
    }
}

TEST(sealer, another_key_does_not_open_it) {
    sealer const with = make("k1");
    auto const sealed = with.seal("secret", home);
    EXPECT_FALSE(make("k1").open(sealed, "k1", home).has_value());
    auto const renamed = make("k2").open(sealed, "k1", home);
    ASSERT_FALSE(renamed.has_value());
    EXPECT_THAT(renamed.error().message, testing::AllOf(testing::HasSubstr("k1"), testing::HasSubstr("k2")));
    EXPECT_THAT(with.open(sealed, "bad\nid", home).error().message, testing::Not(testing::HasSubstr("bad")));
}

TEST(sealer, the_key_id_is_bound_too) {
    std::string const master = generate_master_key();
    auto const sealed = sealer::create(master, "k1").value().seal("secret", home);
    EXPECT_FALSE(sealer::create(master, "k2").value().open(sealed, "k2", home).has_value());
}

TEST(sealer, a_change_of_any_bit_is_noticed) {
    sealer const with = make();
    auto const sealed = with.seal("whsec_0123456789", home);
    for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
        auto changed = sealed;
        changed[i / 8] = static_cast<std::uint8_t>(changed[i / 8] ^ 1U << i % 8);
        EXPECT_FALSE(with.open(changed, "k1", home).has_value()) << "bit " << i;
    }
}

TEST(sealer, cut_and_lengthened_values_are_refused) {
    sealer const with = make();
    auto const sealed = with.seal("whsec_0123456789", home);
    for (std::size_t length = 0; length < sealed.size(); ++length)
        EXPECT_FALSE(
            with.open({sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(length)}, "k1", home).has_value());
    auto longer = sealed;
    longer.push_back(0);
    EXPECT_FALSE(with.open(longer, "k1", home).has_value());
}

TEST(sealer, bad_master_keys_and_ids_are_refused_without_repeating_them) {
    std::string const good = generate_master_key();
    for (std::string const& bad :
         {std::string(), std::string("password"), good + "\n", good.substr(1),
          base64_encode(std::vector<std::uint8_t>(31)), base64_encode(std::vector<std::uint8_t>(33))}) {
        auto const made = sealer::create(bad, "k1");
        ASSERT_FALSE(made.has_value());
        EXPECT_EQ(made.error().kind, fault::invalid_argument);
        EXPECT_EQ(made.error().message, "master key: must be base64 of 32 bytes");
    }
    for (std::string const& bad : {std::string(), std::string(65, 'k'), std::string("a b"), std::string("ä")})
        EXPECT_FALSE(sealer::create(good, bad).has_value()) << bad;
    EXPECT_TRUE(sealer::create(good, "A-z_0.9").has_value());
}

TEST(sealer, moves_keep_the_key) {
    sealer first = make();
    auto const sealed = first.seal("secret", home);
    sealer second = std::move(first);
    EXPECT_TRUE(second.open(sealed, "k1", home).has_value());
    sealer third = make("k3");
    third = std::move(second);
    EXPECT_EQ(third.key_id(), "k1");
    EXPECT_TRUE(third.open(sealed, "k1", home).has_value());
}

TEST(sealer, a_previous_key_opens_what_it_sealed_and_seals_nothing) {
    std::string const old_master = generate_master_key(), older_master = generate_master_key();
    auto const old_sealed = sealer::create(old_master, "k1").value().seal("old", home);
    auto const older_sealed = sealer::create(older_master, "k0").value().seal("older", home);
    sealer ring = make("k2");
    ASSERT_TRUE(ring.add_previous(old_master, "k1"));
    ASSERT_TRUE(ring.add_previous(older_master, "k0"));
    EXPECT_EQ(ring.open(old_sealed, "k1", home).value(), "old");
    EXPECT_EQ(ring.open(older_sealed, "k0", home).value(), "older");
    EXPECT_EQ(ring.key_id(), "k2");
    auto const fresh = ring.seal("fresh", home);
    EXPECT_EQ(ring.open(fresh, "k2", home).value(), "fresh");
    EXPECT_FALSE(ring.open(fresh, "k1", home));
    EXPECT_FALSE(ring.open(old_sealed, "k2", home)); // the id decides, nothing is tried
    EXPECT_FALSE(ring.open(old_sealed, "k0", home));
    EXPECT_FALSE(ring.open(old_sealed, "k1", {"webhook_secrets", other_row, "acct_1"}));
    EXPECT_FALSE(sealer::create(old_master, "k1").value().open(fresh, "k2", home));
}

TEST(sealer, a_key_has_a_check_value_that_tells_it_from_others_of_its_id) {
    std::string const master = generate_master_key(), other = generate_master_key();
    auto const value = [](std::string const& key, char const* id) {
        return sealer::create(key, id).value().key_checks().at(0).value;
    };
    EXPECT_EQ(value(master, "k1").size(), 32U);
    EXPECT_EQ(value(master, "k1"), value(master, "k1"));
    EXPECT_NE(value(master, "k1"), value(other, "k1"));
    EXPECT_NE(value(master, "k1"), value(master, "k2"));
    sealer ring = sealer::create(other, "k2").value();
    ASSERT_TRUE(ring.add_previous(master, "k1"));
    auto const both = ring.key_checks();
    ASSERT_EQ(both.size(), 2U);
    EXPECT_EQ(both[0].key_id, "k2");
    EXPECT_EQ(both[1].key_id, "k1");
    EXPECT_EQ(both[1].value, value(master, "k1"));
}

TEST(sealer, ids_of_keys_are_taken_once_and_bad_keys_are_refused) {
    sealer ring = make("k2");
    ASSERT_TRUE(ring.add_previous(generate_master_key(), "k1"));
    EXPECT_EQ(ring.add_previous(generate_master_key(), "k1").error().kind, fault::conflict);
    EXPECT_EQ(ring.add_previous(generate_master_key(), "k2").error().kind, fault::conflict);
    EXPECT_EQ(ring.add_previous("password", "k3").error().kind, fault::invalid_argument);
    EXPECT_THAT(ring.add_previous("password", "k3").error().message, testing::Not(testing::HasSubstr("password")));
    EXPECT_EQ(ring.add_previous(generate_master_key(), "a b").error().kind, fault::invalid_argument);
    auto const unknown = ring.open(make("k9").seal("x", home), "k9", home);
    ASSERT_FALSE(unknown);
    for (auto const* id : {"k9", "k2", "k1"})
        EXPECT_THAT(unknown.error().message, testing::HasSubstr(id));
}

TEST(sealer, moves_keep_the_previous_keys) {
    std::string const old_master = generate_master_key();
    auto const sealed = sealer::create(old_master, "k1").value().seal("old", home);
    sealer first = make("k2");
    ASSERT_TRUE(first.add_previous(old_master, "k1"));
    sealer second = std::move(first);
    EXPECT_TRUE(second.open(sealed, "k1", home));
    sealer third = make("k3");
    ASSERT_TRUE(third.add_previous(generate_master_key(), "k0"));
    third = std::move(second);
    EXPECT_TRUE(third.open(sealed, "k1", home));
    EXPECT_TRUE(third.open(third.seal("new", home), "k2", home));
    EXPECT_FALSE(third.open(sealed, "k0", home));
}

TEST(sealer, several_threads_may_use_one) {
    sealer const with = make();
    std::vector<std::thread> threads;
    std::atomic<int> opened = 0;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i)
                opened += with.open(with.seal("secret", home), "k1", home).has_value() ? 1 : 0;
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(opened, 800);
}

} // namespace
} // namespace klen::webhooks::signing
