// A name server that changes its mind with every question. Whatever it says, nothing is dialled but what may be: every
// connect() of the client's thread is looked at.
#include "egress/client_fixture.hpp"
#include "support/sanitized.hpp"
#include "support/socket_audit.hpp"

#include <cstdlib>
#include <random>

namespace klen::webhooks::egress {
namespace {

class rebinding : public client_test {};

/// The only address that may be dialled.
constexpr char const* allowed = "127.0.0.2";

/// Good, bad, and bad hidden behind good; chosen anew for A and for AAAA.
std::vector<std::string> const& one_of(std::vector<std::vector<std::string>> const& all, std::mt19937_64& random) {
    return all[random() % all.size()];
}

std::size_t attempts_wanted() {
    auto const* const told = std::getenv("KLEN_REBINDING_ATTEMPTS");
    if (told != nullptr)
        return std::strtoull(told, nullptr, 10);
    return testing::sanitized ? 5'000 : 40'000;
}

TEST_F(rebinding, never_leads_to_an_address_that_is_refused) {
    std::vector<std::vector<std::string>> const answers{
        {allowed},
        {allowed},
        {"127.0.0.1"},
        {"10.0.0.1"},
        {"169.254.169.254"},
        {"0.0.0.0"},
        {"192.168.0.1", allowed},
        {allowed, "127.0.0.1"},
        {allowed, allowed, "100.64.0.1"},
        {"::1"},
        {allowed, "::1"},
        {"::ffff:127.0.0.1", allowed},
        {"::127.0.0.1", allowed},
        {"64:ff9b::127.0.0.1", allowed},
        {"fe80::1"},
        {"fd00::1", allowed},
        {"::ffff:127.0.0.2"},
        {},
    };
    auto const seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    fake_dns server;
    server.tell_all_below(".test", [&]() -> dns_answer {
        return {dns_answer::kind::addresses, one_of(answers, random), static_cast<std::uint32_t>(random() % 2), false};
    });
    config.dns_servers = {server.server()};
    config.allowed_ranges = {std::string(allowed) + "/32"};
    config.connect_timeout = 200ms;
    config.dns_cache_max = 0ms;
    config.dns_negative_cache = 0ms;
    closed_port const nobody;
    auto const url = [&](std::size_t i) { // names of their own, so that no two share an answer
        return "http://n" + std::to_string(i) + ".test:" + std::to_string(nobody.port()) + "/";
    };

    auto const attempts = attempts_wanted();
    constexpr std::size_t at_once = 100;
    std::size_t dialled = 0;
    std::size_t refused = 0;
    std::size_t without_address = 0;
    testing::socket_audit audit;
    for (std::size_t done = 0; done < attempts; done += at_once) {
        std::vector<std::string> urls;
        for (std::size_t i = 0; i < at_once; ++i)
            urls.push_back(url(i));
        for (auto const& r : post_all(urls)) {
            // Nobody listens there. Some SYNs are lost when so many come.
            bool const tried = r.error == error_class::connect_refused || r.error == error_class::connect_timeout;
            dialled += tried ? 1 : 0;
            refused += r.error == error_class::address_not_allowed ? 1 : 0;
            without_address += r.error == error_class::dns_not_found ? 1 : 0;
            EXPECT_TRUE(tried || r.error == error_class::address_not_allowed || r.error == error_class::dns_not_found)
                << r.message;
        }
    }
    EXPECT_EQ(dialled + refused + without_address, attempts);
    EXPECT_GT(dialled, attempts / 50);
    EXPECT_GT(refused, attempts / 2);
    EXPECT_GE(server.questions(), attempts * 2) << "an A and an AAAA question for each attempt";

    std::size_t over_tcp = 0;
    for (auto const& d : audit.connected()) {
        if (!d.stream)
            continue; // the name server
        ++over_tcp;
        EXPECT_TRUE(d.address == allowed || d.address == std::string("::ffff:") + allowed) << d.address;
    }
    EXPECT_GE(over_tcp, dialled) << "the audit sees them";
    RecordProperty("attempts", static_cast<int>(attempts));
    RecordProperty("dialled", static_cast<int>(dialled));
}

// The same through what asks without connecting.
TEST_F(rebinding, a_judged_target_dials_nothing) {
    fake_dns server;
    server.tell("inside.test", {{dns_answer::kind::addresses, {"127.0.0.1"}, 0, false}});
    server.tell("outside.test", {{dns_answer::kind::addresses, {allowed}, 0, false}});
    config.dns_servers = {server.server()};
    config.allowed_ranges = {std::string(allowed) + "/32"};
    testing::socket_audit audit;
    auto& which = client();
    for (bool const inside : {true, false}) {
        auto const to = parse_target(inside ? "http://inside.test/" : "http://outside.test/", {true, {}, true}).value();
        std::optional<std::string> said;
        auto ask = [&which, &said, to]() -> task<void> {
            auto question = which.judge_target(to, std::chrono::steady_clock::now() + 2s);
            said = co_await std::move(question);
        };
        run(ask);
        EXPECT_EQ(said.has_value(), inside);
    }
    for (auto const& d : audit.connected())
        EXPECT_FALSE(d.stream) << d.address;
}

} // namespace
} // namespace klen::webhooks::egress
