// What is kept about strangers' names and servers: never more than its bound, however many they make up, and the newest
// of it works.
#include "egress/dns_cache.hpp"
#include "egress/recent_map.hpp"
#include "egress/tls_support.hpp"

#include <gtest/gtest.h>

#include <openssl/ssl.h>

#include <ctime>

namespace klen::webhooks::egress {
namespace {

using namespace std::chrono_literals;

std::string numbered(char const* what, std::size_t n) { return what + std::to_string(n); }

TEST(recent_map, the_entry_that_was_renewed_longest_ago_makes_room) {
    recent_map<int> map(3);
    for (int i = 0; i < 3; ++i)
        map.renew(numbered("k", static_cast<std::size_t>(i))) = i;
    EXPECT_EQ(map.renew("k0"), 0); // the newest now
    map.renew("k3") = 3;
    EXPECT_EQ(map.size(), 3U);
    EXPECT_EQ(map.find("k1"), nullptr);
    for (auto const& [key, value] : std::vector<std::pair<std::string, int>>{{"k0", 0}, {"k2", 2}, {"k3", 3}}) {
        ASSERT_NE(map.find(key), nullptr) << key;
        EXPECT_EQ(*map.find(key), value) << key;
    }
}

TEST(recent_map, what_is_erased_makes_room_and_is_forgotten) {
    recent_map<int> map(2);
    map.renew("a") = 1;
    map.renew("b") = 2;
    map.erase("a");
    map.erase("nobody");
    EXPECT_EQ(map.size(), 1U);
    map.renew("c") = 3;
    EXPECT_NE(map.find("b"), nullptr) << "there was room";
    EXPECT_EQ(map.renew("a"), 0) << "anew";
    EXPECT_EQ(map.size(), 2U);
}

struct dns_cache_test : ::testing::Test {
    static resolution found(std::size_t n) {
        return {resolve_status::found, {boost::asio::ip::address_v4(static_cast<std::uint32_t>(n))}, {}};
    }
    steady_time now{};
};

TEST_F(dns_cache_test, names_beyond_the_bound_make_the_oldest_go_and_failures_count_like_addresses) {
    constexpr std::size_t bound = resolver_options().cached_names_max;
    EXPECT_EQ(bound, 10'000U);
    dns_cache cache(bound);
    constexpr std::size_t names = bound * 2 + 7;
    for (std::size_t i = 0; i < names; ++i) {
        auto const failed = i % 3 == 1 ? resolve_status::not_found : resolve_status::failure;
        cache.put(numbered("name", i), i % 3 == 0 ? found(i) : resolution{failed, {}, "why"}, now + 60s);
        ASSERT_LE(cache.size(), bound) << i;
    }
    EXPECT_EQ(cache.size(), bound);
    for (std::size_t i = 0; i < names; ++i) {
        auto const kept = cache.find(numbered("name", i), now);
        ASSERT_EQ(kept.has_value(), i >= names - bound) << i;
        if (kept) {
            ASSERT_EQ(kept->status == resolve_status::found, i % 3 == 0) << i;
            ASSERT_TRUE(i % 3 != 0 || kept->addresses == found(i).addresses) << i;
        }
    }
}

TEST_F(dns_cache_test, an_answer_counts_until_its_time_and_not_at_it) {
    dns_cache cache(10);
    cache.put("short", found(1), now + 5s);
    cache.put("long", found(2), now + 60s);
    EXPECT_TRUE(cache.find("short", now + 4999ms));
    EXPECT_FALSE(cache.find("short", now + 5s));
    EXPECT_EQ(cache.size(), 1U) << "it is forgotten, not only hidden";
    EXPECT_TRUE(cache.find("long", now + 5s));
    EXPECT_FALSE(cache.find("unknown", now));
}

TEST_F(dns_cache_test, a_name_that_is_answered_anew_takes_no_second_place) {
    dns_cache cache(3);
    for (char const* name : {"a", "b", "c"})
        cache.put(name, found(1), now + 1s);
    cache.put("a", {resolve_status::not_found, {}, {}}, now + 2s); // it was found before
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_EQ(cache.find("a", now + 1s)->status, resolve_status::not_found);
    EXPECT_TRUE(cache.find("b", now)) << "nobody had to go";
    cache.put("d", found(1), now + 1s);
    EXPECT_FALSE(cache.find("b", now)) << "the oldest, now that a is new";
    EXPECT_TRUE(cache.find("a", now));
}

/// Sessions as a server would give them, without one.
struct tls_sessions : ::testing::Test {
    static tls_session_ptr session(std::string const& id, std::chrono::seconds age = 0s, int version = TLS1_3_VERSION) {
        tls_session_ptr out(SSL_SESSION_new(), SSL_SESSION_free);
        EXPECT_EQ(SSL_SESSION_set1_id(out.get(), reinterpret_cast<unsigned char const*>(id.data()),
                                      static_cast<unsigned>(id.size())),
                  1);
        SSL_SESSION_set_protocol_version(out.get(), version);
        SSL_SESSION_set_time(out.get(), static_cast<long>(std::time(nullptr)) - static_cast<long>(age.count()));
        return out;
    }
    /// "": none.
    std::string take(std::string const& key) {
        auto const got = cache.take(key);
        if (!got)
            return "";
        unsigned size = 0;
        auto const* const id = SSL_SESSION_get_id(got.get(), &size);
        return {reinterpret_cast<char const*>(id), size};
    }
    tls_session_cache cache;
};

TEST_F(tls_sessions, keys_beyond_the_bound_make_the_oldest_go_and_each_key_keeps_its_newest_two) {
    static_assert(tls_session_cache::keys_max == 1'000 && tls_session_cache::per_key_max == 2);
    constexpr std::size_t keys = tls_session_cache::keys_max * 2 + 7;
    for (std::size_t i = 0; i < keys; ++i)
        for (std::string const which : {"a", "b", "c"})
            cache.put(numbered("key", i), session(which + std::to_string(i)));
    std::size_t left = 0;
    for (std::size_t i = 0; i < keys; ++i) {
        bool const kept = i >= keys - tls_session_cache::keys_max;
        ASSERT_EQ(take(numbered("key", i)), kept ? numbered("c", i) : "") << i;
        ASSERT_EQ(take(numbered("key", i)), kept ? numbered("b", i) : "") << i;
        ASSERT_EQ(take(numbered("key", i)), "") << i;
        left += kept ? 2 : 0;
    }
    EXPECT_EQ(left, tls_session_cache::keys_max * tls_session_cache::per_key_max);
}

TEST_F(tls_sessions, a_key_that_gets_a_session_again_is_new_again) {
    cache.put("busy", session("one", 0s, TLS1_2_VERSION));
    for (std::size_t i = 0; i + 1 < tls_session_cache::keys_max; ++i)
        cache.put(numbered("other", i), session("other"));
    cache.put("busy", session("two", 0s, TLS1_2_VERSION));
    cache.put("one more", session("other"));
    EXPECT_EQ(take("busy"), "two");
    EXPECT_EQ(take("busy"), "two") << "before TLS 1.3 a session is resumed again and again";
    EXPECT_EQ(take("other0"), "") << "the oldest";
}

TEST_F(tls_sessions, older_than_an_hour_are_not_resumed) {
    cache.put("key", session("old", 1h));
    cache.put("key", session("older", 2h));
    EXPECT_EQ(take("key"), "");
    cache.put("key", session("fine", 59min));
    EXPECT_EQ(take("key"), "fine");
    cache.put("key", session("from the future", -60s));
    EXPECT_EQ(take("key"), "");
}

} // namespace
} // namespace klen::webhooks::egress
