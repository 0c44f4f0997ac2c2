// Several hundred ways to write a URL, and where each leads: through the only parser and the only guard.
#include "support/url_spellings.hpp"

#include "klen/webhooks/egress/address_guard.hpp"
#include "klen/webhooks/egress/url.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::egress {
namespace {

/// As an attempt would: the host, or nothing when the URL or its address is refused.
std::string where(std::string_view url, address_guard const& guard) {
    auto const to = parse_target(url, {});
    if (!to)
        return {};
    if (!to->host_is_address)
        return to->host;
    return guard.allows(boost::asio::ip::make_address(to->host)) ? to->host : std::string();
}

TEST(url_spellings, each_is_refused_or_leads_where_it_says) {
    auto const guard = address_guard::create({}, {}).value();
    auto const all = testing::url_spellings();
    std::set<std::string> distinct;
    for (auto const& [text, host] : all) {
        EXPECT_EQ(where(text, guard), host) << text;
        distinct.insert(text);
    }
    EXPECT_GE(distinct.size(), 300U);
    RecordProperty("spellings", static_cast<int>(distinct.size()));
}

// What is stored is read again before each attempt: it must not come to mean something else.
TEST(url_spellings, what_is_stored_leads_to_the_same_place) {
    for (auto const& [text, host] : testing::url_spellings())
        if (auto const once = parse_target(text, {})) {
            auto const again = parse_target(once->url, {});
            ASSERT_TRUE(again) << once->url;
            EXPECT_EQ(again->host, once->host);
            EXPECT_EQ(again->port, once->port);
            EXPECT_EQ(again->url, once->url);
        }
}

} // namespace
} // namespace klen::webhooks::egress
