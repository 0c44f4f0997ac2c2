#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

store::api_key_row row_of(signing::api_key const& key, std::optional<std::string> account) {
    store::api_key_row out;
    out.id = make_id<api_key_id>();
    out.account_id = std::move(account);
    out.hash = key.hash;
    out.permissions = {"read"};
    return out;
}

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
    row.revoked = true;
    cache.apply({row});
    EXPECT_FALSE(cache.find(key.text));
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
}

TEST(key_cache, what_is_no_key_is_not_found) {
    key_cache cache;
    auto const key = signing::api_key::generate();
    cache.apply({row_of(key, "acct")});
    for (std::string const& bad : {std::string(), std::string("klen_"), key.text + "x", key.text.substr(1),
                                   signing::api_key::generate().text, std::string(100'000, 'a')})
        EXPECT_FALSE(cache.find(bad));
}

} // namespace
} // namespace klen::webhooks::api
