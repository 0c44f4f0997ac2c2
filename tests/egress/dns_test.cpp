// Name resolution: classes of failure, caching, and what answers may lead to.
#include "egress/client_fixture.hpp"
#include "egress/resolver.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace klen::webhooks::egress {
namespace {

using kind = dns_answer::kind;

class dns : public client_test {
  protected:
    dns() { config.dns_servers = {server.server()}; }

    static dns_answer addresses(std::vector<std::string> which, std::uint32_t ttl = 0) {
        return {kind::addresses, std::move(which), ttl, false};
    }
    static dns_answer failing(kind what) { return {what, {}, 0, false}; }

    fake_dns server;
};

TEST_F(dns, a_name_leads_to_its_address_and_stays_in_the_host_header) {
    server.tell("receiver.test", {addresses({"127.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    auto const r = post(receiver.url("/hook", "Receiver.test."));
    EXPECT_TRUE(r.succeeded()) << r.message;
    EXPECT_EQ(receiver.requests().front().header("Host"), "receiver.test:" + std::to_string(receiver.port()));
}

TEST_F(dns, each_kind_of_failure_has_its_class) {
    config.dns_timeout = 1s;
    server.tell("nodata.test", {failing(kind::no_data)});
    server.tell("servfail.test", {failing(kind::server_failure)});
    server.tell("refused.test", {failing(kind::refused)});
    server.tell("silent.test", {failing(kind::silence)});
    struct row {
        std::string name;
        error_class expected;
    };
    for (auto const& [name, expected] : std::vector<row>{{"unknown.test", error_class::dns_not_found},
                                                         {"nodata.test", error_class::dns_not_found},
                                                         {"servfail.test", error_class::dns_failure},
                                                         {"refused.test", error_class::dns_failure},
                                                         {"silent.test", error_class::dns_timeout}}) {
        auto const r = post("http://" + name + "/");
        EXPECT_EQ(r.error, expected) << name << ": " << r.message;
        EXPECT_NE(r.message.find(name), std::string::npos) << r.message;
        EXPECT_EQ(r.message.find("127.0.0.1"), std::string::npos) << "the name server's address is not the customer's";
        EXPECT_LT(r.duration, 3s);
    }
}

TEST_F(dns, a_name_server_that_is_not_there_is_a_failure) {
    closed_port const nobody;
    config.dns_servers = {"127.0.0.1:" + std::to_string(nobody.port())};
    auto const r = post("http://receiver.test/");
    EXPECT_EQ(r.error, error_class::dns_failure) << r.message;
    EXPECT_LT(r.duration, 2s);
}

TEST_F(dns, silence_ends_at_the_deadline_when_that_is_earlier) {
    server.tell("silent.test", {failing(kind::silence)});
    auto const r = post("http://silent.test/", {.within = 200ms});
    EXPECT_EQ(r.error, error_class::dns_timeout);
    EXPECT_GE(r.duration, 180ms);
    EXPECT_LT(r.duration, 1500ms);
}

TEST_F(dns, silence_about_one_name_delays_no_other) {
    server.tell("silent.test", {failing(kind::silence)});
    server.tell("receiver.test", {addresses({"127.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    auto const r = post_all({"http://silent.test/", receiver.url("/", "receiver.test")}, {.within = 1200ms});
    EXPECT_EQ(r[0].error, error_class::dns_timeout);
    EXPECT_TRUE(r[1].succeeded());
    EXPECT_LT(r[1].duration, r[0].duration);
}

TEST_F(dns, silence_about_ipv6_holds_up_ipv4_only_a_little) {
    server.tell("receiver.test", {{kind::addresses, {"127.0.0.1"}, 0, true}});
    scripted_receiver receiver(script().answer(200));
    auto const r = post(receiver.url("/", "receiver.test"));
    EXPECT_TRUE(r.succeeded()) << r.message;
    EXPECT_LT(r.duration, 1500ms);
}

TEST_F(dns, one_refused_answer_condemns_all) {
    server.tell("mixed.test", {addresses({"127.0.0.1", "10.0.0.1"})});
    server.tell("mixed6.test", {addresses({"127.0.0.1", "::1"})});
    server.tell("mapped.test", {addresses({"127.0.0.1", "::ffff:10.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    for (std::string const name : {"mixed.test", "mixed6.test", "mapped.test"}) {
        auto const r = post(receiver.url("/", name));
        EXPECT_EQ(r.error, error_class::address_not_allowed) << name;
        EXPECT_EQ(r.message.find("10.0"), std::string::npos);
    }
    EXPECT_EQ(receiver.connections(), 0);
}

TEST_F(dns, a_name_that_is_rebound_is_judged_again) {
    config.allowed_ranges = {"127.0.0.2/32"};
    server.tell("rebound.test", {addresses({"127.0.0.2"}), addresses({"127.0.0.1"})});
    scripted_receiver outside(script().answer(200), {.address = "127.0.0.2"});
    scripted_receiver inside(script().answer(200), {.port = outside.port()});
    EXPECT_TRUE(post(outside.url("/", "rebound.test")).succeeded());
    EXPECT_TRUE(outside.wait_until_closed());
    EXPECT_EQ(post(outside.url("/", "rebound.test")).error, error_class::address_not_allowed);
    EXPECT_EQ(inside.connections(), 0);
}

TEST_F(dns, answers_are_kept_for_their_time_to_live) {
    server.tell("kept.test", {addresses({"127.0.0.1"}, 60)});
    server.tell("unkept.test", {addresses({"127.0.0.1"}, 0)});
    scripted_receiver receiver(script().answer(200, "", "Connection: close\r\n"));
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(post(receiver.url("/", "kept.test")).succeeded());
        EXPECT_TRUE(post(receiver.url("/", "unkept.test")).succeeded());
    }
    EXPECT_EQ(server.questions("kept.test"), 1);
    EXPECT_EQ(server.questions("unkept.test"), 3);
}

TEST_F(dns, config_bounds_how_long_answers_are_kept) {
    config.dns_cache_max = 0ms;
    config.dns_negative_cache = 0ms;
    server.tell("name.test", {addresses({"127.0.0.1"}, 3600)});
    server.tell("nobody.test", {failing(kind::no_such_name)});
    scripted_receiver receiver(script().answer(200, "", "Connection: close\r\n"));
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(post(receiver.url("/", "name.test")).succeeded());
        EXPECT_EQ(post("http://nobody.test/").error, error_class::dns_not_found);
    }
    EXPECT_EQ(server.questions("name.test"), 2);
    EXPECT_EQ(server.questions("nobody.test"), 2);
}

TEST_F(dns, a_name_that_does_not_exist_is_remembered_for_a_while) {
    config.dns_negative_cache = 300ms;
    server.tell("soon.test", {failing(kind::no_such_name), addresses({"127.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    EXPECT_EQ(post(receiver.url("/", "soon.test")).error, error_class::dns_not_found);
    EXPECT_EQ(post(receiver.url("/", "soon.test")).error, error_class::dns_not_found);
    EXPECT_EQ(server.questions("soon.test"), 1);
    run_for(350ms);
    EXPECT_TRUE(post(receiver.url("/", "soon.test")).succeeded());
}

/// Names below .test: every third one exists, the others do not or make the server fail.
class many_names : public dns {
  protected:
    many_names() {
        server.tell_all_below(".test", [this]() -> dns_answer {
            constexpr std::array<kind, 3> kinds{kind::addresses, kind::no_such_name, kind::server_failure};
            auto const what = kinds[asking % 3];
            return {what, what == kind::addresses ? std::vector<std::string>{"127.0.0.1"} : std::vector<std::string>{},
                    60, false};
        });
        resolver_options options;
        options.servers = {server.server()};
        options.timeout = 2s;
        options.cache_max = options.negative_cache = 60s;
        options.cached_names_max = bound;
        names.emplace(io.get_executor(), options);
    }
    ~many_names() override { names.reset(); }

    /// How many questions the server got about it.
    std::uint64_t ask(std::size_t which) {
        auto const before = server.questions();
        asking = which;
        resolution got;
        auto question = [&]() -> task<void> {
            auto answer = names->resolve("n" + std::to_string(which) + ".test", std::chrono::steady_clock::now() + 2s);
            got = co_await std::move(answer);
        };
        run(question);
        constexpr std::array<resolve_status, 3> expected{resolve_status::found, resolve_status::not_found,
                                                         resolve_status::failure};
        EXPECT_EQ(got.status, expected[which % 3]) << which;
        return server.questions() - before;
    }

    static constexpr std::size_t bound = 60;
    std::atomic<std::size_t> asking = 0;
    std::optional<resolver> names;
};

TEST_F(many_names, no_more_than_the_bound_are_remembered_those_that_failed_included) {
    for (std::size_t i = 0; i < 2 * bound; ++i)
        EXPECT_GE(ask(i), 2U) << i;
    for (std::size_t i = 2 * bound; i-- > bound;)
        EXPECT_EQ(ask(i), 0U) << i << " is one of the newest";
    for (std::size_t i = 0; i < bound; ++i)
        EXPECT_GE(ask(i), 2U) << i << " is one too many";
}

TEST_F(dns, equal_questions_at_the_same_time_are_asked_once) {
    server.tell("crowd.test", {addresses({"127.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    std::vector<std::string> const urls(20, receiver.url("/", "crowd.test"));
    for (auto const& r : post_all(urls))
        EXPECT_TRUE(r.succeeded()) << r.message;
    EXPECT_EQ(server.questions("crowd.test"), 1);
}

TEST_F(dns, names_are_absolute) {
    ::setenv("LOCALDOMAIN", "search.test", 1); // what resolv.conf of a cluster says for all of its pods
    auto const restore = std::unique_ptr<void, void (*)(void*)>(this, [](void*) { ::unsetenv("LOCALDOMAIN"); });
    server.tell("single.search.test", {addresses({"127.0.0.1"})});
    server.tell("single", {failing(kind::no_such_name)});
    EXPECT_EQ(post("http://single/").error, error_class::dns_not_found);
    EXPECT_EQ(server.questions("single"), 1);
    EXPECT_EQ(server.questions("single.search.test"), 0);
}

TEST_F(dns, localhost_is_this_machine_whatever_the_name_server_says) {
    server.tell("localhost", {addresses({"127.0.0.9"})});
    scripted_receiver receiver(script().answer(200));
    EXPECT_TRUE(post(receiver.url("/", "localhost")).succeeded());
    EXPECT_TRUE(post(receiver.url("/", "a.localhost")).succeeded());
    EXPECT_EQ(server.questions("localhost"), 0);
}

TEST_F(dns, the_next_address_is_tried_when_one_fails) {
    config.connect_timeout = 300ms;
    server.tell("several.test", {addresses({"127.0.0.3", "127.0.0.2", "127.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    auto const r = post(receiver.url("/", "several.test"));
    EXPECT_TRUE(r.succeeded()) << r.message;
    EXPECT_EQ(r.remote_address, "127.0.0.1:" + std::to_string(receiver.port()));
}

/// What a client would say about a URL before anything is sent there.
class judging : public dns {
  protected:
    std::optional<std::string> judge(std::string const& url, std::chrono::milliseconds within = 2s) {
        auto const to = parse_target(url, {true, {}, true}).value();
        auto& which = client();
        std::optional<std::string> out;
        run([&]() -> task<void> { out = co_await which.judge_target(to, std::chrono::steady_clock::now() + within); });
        return out;
    }
};

TEST_F(judging, a_name_that_leads_to_a_refused_address_is_told_in_the_words_of_an_attempt) {
    server.tell("inside.test", {addresses({"10.0.0.1"}, 60)});
    server.tell("mixed.test", {addresses({"127.0.0.1", "10.0.0.1"})});
    EXPECT_EQ(judge("http://inside.test/"), post("http://inside.test/").message);
    EXPECT_TRUE(judge("http://mixed.test/").has_value());
    EXPECT_TRUE(judge("http://10.0.0.1/").has_value());
}

TEST_F(judging, an_allowed_name_is_let_through_and_not_connected_to) {
    server.tell("receiver.test", {addresses({"127.0.0.1"})});
    scripted_receiver receiver(script().answer(200));
    EXPECT_EQ(judge(receiver.url("/", "receiver.test")), std::nullopt);
    EXPECT_EQ(judge(receiver.url("/")), std::nullopt);
    EXPECT_EQ(receiver.connections(), 0);
}

TEST_F(judging, what_cannot_be_resolved_is_let_through_in_time) {
    server.tell("silent.test", {failing(kind::silence)});
    server.tell("servfail.test", {failing(kind::server_failure)});
    auto const begun = std::chrono::steady_clock::now();
    EXPECT_EQ(judge("http://unknown.test/"), std::nullopt);
    EXPECT_EQ(judge("http://servfail.test/"), std::nullopt);
    EXPECT_EQ(judge("http://silent.test/", 200ms), std::nullopt);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
}

TEST(dns_server, is_an_address_with_or_without_a_port) {
    egress_config config;
    config.dns_timeout = 1s;
    for (char const* fine : {"127.0.0.1", "127.0.0.1:5353", "::1", "[::1]:53"}) {
        config.dns_servers = {fine};
        EXPECT_TRUE(make_client_context(config, {})) << fine;
    }
    for (char const* wrong : {"", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "[::1]",
                              "[::1]:", "127.0.0.1,127.0.0.2", "[127.0.0.1]:53", "127.0.0.1:53 "}) {
        config.dns_servers = {wrong};
        auto const made = make_client_context(config, {});
        ASSERT_FALSE(made) << wrong;
        EXPECT_NE(made.error().message.find("egress.dns_servers"), std::string::npos);
    }
}

} // namespace
} // namespace klen::webhooks::egress
