#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

store::api_key_row row_of(signing::api_key const& key, std::optional<std::string> account) {
    store::api_key_row out;
    out.id = make_id<api_key_id>();
    out.account_id = std::move(account);
    out.hash = key.hash;
    out.permissions = {"read"};
    return out;
}

/// Stands still until it is moved.
class hand_clock : public clock {
  public:
    steady_time steady() const override { return steady_time(seconds(1000)) + at; }
    wall_time wall() const override { return wall_time(seconds(1'772'443'121)) + at; }
    boot_time boot() const override { return boot_time(seconds(1000)) + at; }
    milliseconds at{0};
};

struct key_limit : testing::Test {
    /// How many of `n` calls at once are let through.
    int let_through(key_cache const& cache, signing::api_key const& with, int n) {
        int out = 0;
        for (int i = 0; i < n; ++i)
            out += cache.find(with.text)->retry_after == milliseconds(0) ? 1 : 0;
        return out;
    }
    hand_clock time;
    signing::api_key key = signing::api_key::generate();
};

TEST(key_cache, a_key_is_known_until_it_is_revoked) {
    key_cache cache;
    auto const key = signing::api_key::generate();
    auto row = row_of(key, "acct");
    EXPECT_FALSE(cache.find(key.text));
    cache.apply({row});
    auto const who = cache.find(key.text);
    ASSERT_TRUE(who);
    EXPECT_EQ(who->key_id, row.id.text());
    EXPECT_EQ(who->account_id, "acct");
    EXPECT_EQ(who->retry_after, milliseconds(0));
    row.revoked = true;
    cache.apply({row});
    EXPECT_FALSE(cache.find(key.text));
}

TEST(key_cache, an_older_row_does_not_bring_a_revoked_key_back) {
    key_cache cache;
    auto const key = signing::api_key::generate();
    auto const before = row_of(key, "acct");
    auto after = before;
    after.revoked = true;
    cache.apply({before, after, before});
    cache.apply({before});
    EXPECT_FALSE(cache.find(key.text));
}

TEST_F(key_limit, revoked_keys_are_forgotten_when_no_older_row_can_come_any_more) {
    key_cache cache({}, time, seconds(90));
    auto const before = row_of(key, "acct");
    cache.apply({before});
    for (int i = 0; i < 1000; ++i) {
        auto made = row_of(key, "acct");
        made.hash[0] = static_cast<std::uint8_t>(~made.hash[0]);
        cache.apply({made});
        made.revoked = true;
        cache.apply({made});
    }
    EXPECT_EQ(cache.size(), 1001U);
    auto after = before;
    after.revoked = true;
    time.at += seconds(60);
    cache.apply({after});
    time.at += seconds(30);
    cache.apply({});
    EXPECT_EQ(cache.size(), 1U);
    cache.apply({before});
    EXPECT_FALSE(cache.find(key.text)) << "an older row";
    time.at += seconds(60);
    cache.apply({after}); // looks overlap
    EXPECT_LE(cache.size(), 1U);
    cache.apply({before});
    EXPECT_FALSE(cache.find(key.text));
    time.at += seconds(90);
    cache.apply({});
    EXPECT_EQ(cache.size(), 0U);
}

TEST(key_cache, a_change_replaces_what_was_known) {
    key_cache cache;
    auto const key = signing::api_key::generate();
    auto row = row_of(key, std::nullopt);
    cache.apply({row});
    row.permissions = {"read", "publish"};
    cache.apply({row, row});
    EXPECT_EQ(cache.find(key.text)->permissions, row.permissions);
    EXPECT_FALSE(cache.find(key.text)->account_id);
    auto const replacing = signing::api_key::generate();
    row.hash = replacing.hash;
    cache.apply({row});
    EXPECT_FALSE(cache.find(key.text));
    EXPECT_TRUE(cache.find(replacing.text));
}

TEST(key_cache, what_is_no_key_is_not_found) {
    key_cache cache;
    auto const key = signing::api_key::generate();
    cache.apply({row_of(key, "acct")});
    for (std::string const& bad : {std::string(), std::string("klen_"), key.text + "x", key.text.substr(1),
                                   signing::api_key::generate().text, std::string(100'000, 'a')})
        EXPECT_FALSE(cache.find(bad));
}

TEST_F(key_limit, a_second_may_hold_so_many_calls) {
    key_cache cache({.account_key = 5, .platform_key = 0}, time);
    cache.apply({row_of(key, "acct")});
    EXPECT_EQ(let_through(cache, key, 20), 5);
    EXPECT_EQ(cache.find(key.text)->retry_after, milliseconds(200));
    time.at += milliseconds(199);
    EXPECT_EQ(cache.find(key.text)->retry_after, milliseconds(1));
    time.at += milliseconds(1);
    EXPECT_EQ(let_through(cache, key, 20), 1);
    time.at += seconds(3600);
    EXPECT_EQ(let_through(cache, key, 20), 5) << "no more than one second's calls are saved up";
}

TEST_F(key_limit, odd_numbers_come_out_exactly) {
    for (std::uint32_t const limit : {1U, 3U, 7U, 999U}) {
        key_cache cache({.account_key = limit, .platform_key = 0}, time);
        cache.apply({row_of(key, "acct")});
        EXPECT_EQ(let_through(cache, key, 1100), static_cast<int>(limit));
    }
}

TEST_F(key_limit, platform_keys_have_a_limit_of_their_own) {
    key_cache cache({.account_key = 5, .platform_key = 2}, time);
    cache.apply({row_of(key, std::nullopt)});
    EXPECT_EQ(let_through(cache, key, 10), 2);
    key_cache unlimited({.account_key = 5, .platform_key = 0}, time);
    unlimited.apply({row_of(key, std::nullopt)});
    EXPECT_EQ(let_through(unlimited, key, 1000), 1000);
}

TEST_F(key_limit, a_keys_own_limit_comes_first) {
    key_cache cache({.account_key = 5, .platform_key = 5}, time);
    auto row = row_of(key, "acct");
    row.max_requests_per_second = 8;
    cache.apply({row});
    EXPECT_EQ(let_through(cache, key, 20), 8);
}

TEST_F(key_limit, a_change_of_the_row_gives_no_calls_back) {
    key_cache cache({.account_key = 5, .platform_key = 0}, time);
    auto const row = row_of(key, "acct");
    cache.apply({row});
    EXPECT_EQ(let_through(cache, key, 20), 5);
    cache.apply({row});
    EXPECT_EQ(let_through(cache, key, 20), 0);
}

TEST_F(key_limit, keys_do_not_share_a_limit) {
    key_cache cache({.account_key = 5, .platform_key = 0}, time);
    auto const other = signing::api_key::generate();
    cache.apply({row_of(key, "acct"), row_of(other, "acct")});
    EXPECT_EQ(let_through(cache, key, 20), 5);
    EXPECT_EQ(let_through(cache, other, 20), 5);
}

TEST_F(key_limit, keys_of_one_account_share_the_accounts_limit) {
    key_cache cache({.account_key = 5, .platform_key = 0, .account = 8}, time);
    auto const second = signing::api_key::generate(), third = signing::api_key::generate();
    auto const foreign = signing::api_key::generate();
    cache.apply({row_of(key, "acct"), row_of(second, "acct"), row_of(third, "acct"), row_of(foreign, "other")});
    EXPECT_EQ(let_through(cache, key, 20), 5);
    EXPECT_FALSE(cache.find(key.text)->account_is_over) << "its own limit says no";
    EXPECT_EQ(let_through(cache, second, 20), 3);
    auto const refused = cache.find(third.text);
    EXPECT_EQ(refused->retry_after, milliseconds(125));
    EXPECT_TRUE(refused->account_is_over);
    EXPECT_EQ(let_through(cache, foreign, 20), 5) << "another account is not affected";
    time.at += milliseconds(250);
    EXPECT_EQ(let_through(cache, third, 20), 2);
}

TEST_F(key_limit, more_keys_are_not_more_calls) {
    key_cache cache({.account_key = 5, .platform_key = 0, .account = 10}, time);
    std::vector<signing::api_key> many;
    for (int i = 0; i < 50; ++i)
        cache.apply({row_of(many.emplace_back(signing::api_key::generate()), "acct")});
    int passed = 0;
    for (int second = 0; second < 3; ++second) {
        for (auto const& one : many)
            passed += let_through(cache, one, 2);
        time.at += seconds(1);
    }
    EXPECT_EQ(passed, 30);
}

TEST_F(key_limit, what_the_account_refuses_does_not_count_for_the_key) {
    key_cache cache({.account_key = 4, .platform_key = 0, .account = 4}, time);
    auto const other = signing::api_key::generate();
    cache.apply({row_of(key, "acct"), row_of(other, "acct")});
    EXPECT_EQ(let_through(cache, other, 4), 4);
    EXPECT_EQ(let_through(cache, key, 100), 0);
    time.at += seconds(1);
    EXPECT_EQ(let_through(cache, key, 100), 4);
}

TEST_F(key_limit, a_key_that_was_given_more_may_make_it_and_leaves_others_as_much_less) {
    key_cache cache({.account_key = 5, .platform_key = 0, .account = 10}, time);
    auto const other = signing::api_key::generate();
    auto fast = row_of(key, "acct");
    fast.max_requests_per_second = 40;
    cache.apply({fast, row_of(other, "acct")});
    EXPECT_EQ(let_through(cache, key, 100), 40);
    EXPECT_EQ(let_through(cache, other, 100), 0);
    time.at += seconds(1);
    EXPECT_EQ(let_through(cache, key, 20), 20);
    EXPECT_EQ(let_through(cache, other, 100), 5) << "half a second's calls are left";
}

TEST_F(key_limit, an_account_is_limited_where_its_keys_are_not) {
    key_cache cache({.account_key = 0, .platform_key = 0, .account = 3}, time);
    auto const of_platform = signing::api_key::generate();
    cache.apply({row_of(key, "acct"), row_of(of_platform, std::nullopt)});
    EXPECT_EQ(let_through(cache, key, 100), 3);
    EXPECT_EQ(let_through(cache, of_platform, 100), 100) << "a platform key belongs to no account";
}

TEST_F(key_limit, threads_share_one_bucket) {
    key_cache cache({.account_key = 1000, .platform_key = 0}, time);
    cache.apply({row_of(key, "acct")});
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] { passed += let_through(cache, key, 500); });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(passed, 1000);
}

TEST_F(key_limit, uses_are_told_once_and_to_the_second) {
    key_cache cache({}, time);
    auto const row = row_of(key, "acct");
    cache.apply({row, row_of(signing::api_key::generate(), "acct")});
    EXPECT_THAT(cache.take_uses(), IsEmpty());
    cache.find(key.text);
    time.at += milliseconds(2700);
    cache.find(key.text);
    EXPECT_THAT(cache.take_uses(), ElementsAre(Pair(row.id, wall_time(seconds(1'772'443'123)))));
    EXPECT_THAT(cache.take_uses(), IsEmpty());
    cache.find(key.text);
    auto revoked = row;
    revoked.revoked = true;
    cache.apply({revoked});
    EXPECT_THAT(cache.take_uses(), ElementsAre(Pair(row.id, testing::_))) << "its last use is told, revoked or not";
}

} // namespace
} // namespace klen::webhooks::api
