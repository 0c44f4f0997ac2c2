// The ways to write a URL, through both calls that take one.
#include "api/webhook_input.hpp"

#include "klen/webhooks/base/settings.hpp"
#include "support/url_spellings.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

/// The host that the call lets the webhook lead to; empty: refused.
std::string host_of(std::optional<egress::target> const& to) { return to ? to->host : std::string(); }

TEST(webhook_url, every_spelling_is_judged_alike_by_create_and_by_update) {
    auto const guard = egress::address_guard::create({}, {}).value();
    intake::event_catalogue const catalogue{{}};
    webhook_rules const rules{.urls = {},
                              .addresses = &guard,
                              .catalogue = &catalogue,
                              .allow_unknown_event_types = false,
                              .header_prefix = "X-Klen-",
                              .limits = default_config().webhooks};
    for (auto const& [text, host] : testing::url_spellings()) {
        auto const url = boost::json::serialize(boost::json::value(text));
        auto const created =
            read_webhook(R"({"name":"n","subscribed_events":["*"],"url":)" + std::string(url) + "}", rules);
        auto const changed = read_webhook_change(R"({"url":)" + std::string(url) + "}", rules);
        auto const* draft = std::get_if<webhook_draft>(&created);
        auto const* patch = std::get_if<webhook_patch>(&changed);
        EXPECT_EQ(draft != nullptr ? draft->leads_to.host : "", host) << text;
        EXPECT_EQ(patch != nullptr ? host_of(patch->leads_to) : "", host) << text;
        if (draft != nullptr && patch != nullptr) {
            EXPECT_EQ(draft->row.url, draft->leads_to.url) << text;
            EXPECT_EQ(patch->set.url, draft->row.url) << text;
        }
    }
}

} // namespace
} // namespace klen::webhooks::api
