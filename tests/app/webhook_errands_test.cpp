// Tests of webhooks and questions about URLs, run on io threads of their own against a scripted receiver.
#include "app/webhook_errands.hpp"

#include "app/blocking.hpp"
#include "app/io_threads.hpp"
#include "egress/refused_addresses.hpp"
#include "store/store_support.hpp"
#include "support/fake_dns.hpp"
#include "support/scripted_receiver.hpp"

#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

using klen::webhooks::testing::dns_answer;
using klen::webhooks::testing::fake_dns;
using klen::webhooks::testing::script;
using klen::webhooks::testing::scripted_receiver;

class webhook_errands_test : public ::testing::Test {
  protected:
    webhook_errands_test() : webhook_errands_test({"127.0.0.0/8"}) {}
    explicit webhook_errands_test(std::vector<std::string> allowed_ranges) {
        settings.egress.allow_http = true;
        settings.egress.allowed_ranges = std::move(allowed_ranges);
        settings.egress.dns_servers = {dns.server()};
        context = egress::make_client_context(settings.egress, settings.delivery).value();
        for (std::size_t i = 0; i < threads.size(); ++i)
            clients.push_back(egress::make_net_client(threads.at(i), context));
        threads.start();
    }
    ~webhook_errands_test() override {
        stop();
        for (std::size_t i = 0; i < threads.size(); ++i)
            wait_for<void>(threads.at(i), [this, i] { return clients[i]->stop(); });
        threads.stop();
    }

    webhook_errands& errands(errand_gate::limits limits = {64, 8}) {
        if (!errands_) {
            errand_parts with;
            for (std::size_t i = 0; i < threads.size(); ++i)
                with.shards.push_back({threads.at(i), clients[i].get()});
            with.seals = &seals;
            with.delivery = &settings.delivery;
            with.urls = egress::url_policy_of(*context);
            with.tests = with.address_checks = limits;
            errands_ = std::make_unique<webhook_errands>(std::move(with));
        }
        return *errands_;
    }
    void stop() {
        for (std::size_t i = 0; errands_ && i < threads.size(); ++i)
            wait_for<void>(threads.at(i), [this, i] { return errands_->stop(i); });
    }

    dispatch::test_request test_of(std::string const& url, std::string const& account = "a") {
        dispatch::test_request out;
        out.to.id = make_id<webhook_id>();
        out.to.account_id = account;
        out.to.url = url;
        store::sealed_secret sealed;
        sealed.id = make_id<secret_id>();
        sealed.sealed = seals.seal(signing::secret::generate().text(), {"webhook_secrets", sealed.id.value, account});
        sealed.key_id = seals.key_id();
        out.to.secrets = {sealed};
        out.event.id = make_id<event_id>();
        out.event.account_id = account;
        out.event.event_type = "webhook.test";
        out.event.body = R"({"event_type":"webhook.test"})";
        return out;
    }
    /// Begun on a thread of its own; the value comes when the errand has ended.
    std::future<result<dispatch::test_outcome>> begin(dispatch::test_request what) {
        return std::async(std::launch::async,
                          [this, what = std::move(what)] { return test::run(errands().send_test(what)); });
    }

    /// What is wrong with a URL, as told to that account.
    result<std::optional<std::string>> judge(std::string const& url, std::string const& account = "a") {
        return test::run(errands().judge_address(account, egress::parse_target(url, {true, {}, true}).value()));
    }

    config settings = default_config();
    fake_dns dns;
    signing::sealer seals = signing::sealer::create(signing::generate_master_key(), "k1").value();
    egress::client_context_ptr context;
    io_threads threads{"io", 2};
    std::vector<std::unique_ptr<egress::net_client>> clients;

  private:
    std::unique_ptr<webhook_errands> errands_;
};

TEST_F(webhook_errands_test, a_test_is_sent_signed_and_answered_with_what_the_receiver_said) {
    scripted_receiver receiver(script().answer(202, "thanks", "X-Seen: 1\r\n"));
    auto const outcome = test::run(errands().send_test(test_of(receiver.url("/hook")))).value();
    EXPECT_TRUE(outcome.result.succeeded()) << outcome.result.message;
    EXPECT_EQ(outcome.result.status, 202);
    EXPECT_EQ(outcome.result.response_body, "thanks");
    auto const got = receiver.requests().at(0);
    EXPECT_EQ(got.header("X-Klen-Event"), "webhook.test");
    EXPECT_EQ(got.header("X-Klen-Delivery-ID"), outcome.id.text());
    EXPECT_NE(outcome.request_headers.find("X-Klen-Signature: "), std::string::npos);
}

TEST_F(webhook_errands_test, more_tests_than_an_account_may_send_at_once_are_not_sent) {
    scripted_receiver hanging(script().read_request().hang());
    scripted_receiver other(script().answer(200).again());
    errands({10, 2});
    auto first = begin(test_of(hanging.url("/")));
    auto second = begin(test_of(hanging.url("/")));
    ASSERT_TRUE(test::eventually([&] { return hanging.requests().size() == 2; }));
    auto const third = test::run(errands().send_test(test_of(other.url("/"))));
    EXPECT_EQ(third.error().kind, fault::over_limit);
    EXPECT_NE(third.error().message.find("of this account"), std::string::npos);
    EXPECT_TRUE(other.requests().empty());
    auto const of_other = test::run(errands().send_test(test_of(other.url("/"), "b")));
    EXPECT_TRUE(of_other.value().result.succeeded()) << "others are not affected";
    stop();
    EXPECT_EQ(first.get().error().kind, fault::shutting_down) << "the stop ends it";
    EXPECT_EQ(second.get().error().kind, fault::shutting_down);
}

TEST_F(webhook_errands_test, more_tests_than_the_daemon_may_send_at_once_are_not_sent) {
    scripted_receiver hanging(script().read_request().hang());
    scripted_receiver other(script().answer(200).again());
    errands({1, 8});
    auto first = begin(test_of(hanging.url("/")));
    ASSERT_TRUE(test::eventually([&] { return hanging.requests().size() == 1; }));
    auto const second = test::run(errands().send_test(test_of(other.url("/"), "b")));
    EXPECT_EQ(second.error().kind, fault::overloaded);
    EXPECT_NE(second.error().message.find("try again"), std::string::npos);
    EXPECT_TRUE(other.requests().empty());
    stop();
    EXPECT_EQ(first.get().error().kind, fault::shutting_down);
}

TEST_F(webhook_errands_test, a_test_that_has_ended_makes_room) {
    scripted_receiver receiver(script().answer(200).again());
    errands({1, 1});
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(test::run(errands().send_test(test_of(receiver.url("/")))));
}

TEST_F(webhook_errands_test, after_the_stop_nothing_is_sent_and_nobody_waits) {
    scripted_receiver receiver(script().answer(200).again());
    errands();
    stop();
    auto const outcome = test::run(errands().send_test(test_of(receiver.url("/"))));
    EXPECT_EQ(outcome.error().kind, fault::shutting_down);
    EXPECT_EQ(judge("http://10.0.0.1/").value(), std::nullopt);
    EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(webhook_errands_test, a_url_is_judged_by_where_its_name_leads) {
    dns.tell("inside.test", {{dns_answer::kind::addresses, {"10.0.0.1"}, 0, false}});
    dns.tell("fine.test", {{dns_answer::kind::addresses, {"127.0.0.1"}, 0, false}});
    auto const refused = judge("http://inside.test/").value();
    ASSERT_TRUE(refused);
    EXPECT_EQ(*refused, judge("http://10.0.0.1/").value()) << "the same sentence for every refused range";
    EXPECT_EQ(judge("http://fine.test/").value(), std::nullopt);
    EXPECT_EQ(judge("http://unknown.test/").value(), std::nullopt);
}

/// With nothing allowed that is not public.
struct errands_to_refused_addresses : webhook_errands_test {
    errands_to_refused_addresses() : webhook_errands_test(std::vector<std::string>{}) {}
    void expect_the_same_of(std::string const& url) {
        SCOPED_TRACE(url);
        auto const outcome = test::run(errands().send_test(test_of(url)));
        ASSERT_TRUE(outcome);
        auto const& r = outcome->result;
        EXPECT_EQ(r.error, policy::error_class::address_not_allowed);
        EXPECT_EQ(r.message, sentence);
        EXPECT_EQ(r.status, 0);
        EXPECT_EQ(r.response_headers, "");
        EXPECT_EQ(r.response_body, "");
        EXPECT_EQ(r.remote_address, "");
        EXPECT_FALSE(r.retry_after);
        EXPECT_FALSE(r.connection_reused);
        EXPECT_EQ(judge(url).value(), sentence);
    }

    int names = 0;
    std::string const sentence =
        "The URL leads to an address that is not allowed. Webhooks are sent to public addresses only.";
};

TEST_F(errands_to_refused_addresses, say_the_same_for_every_range_and_show_nothing) {
    scripted_receiver inside(script().answer(200, "secret", "X-Secret: 1\r\n").again());
    auto const port = ":" + std::to_string(inside.port());
    for (auto const& address : testing::refused_addresses()) {
        expect_the_same_of("http://" + testing::as_host(address) + port + "/latest/meta-data/");
        auto const name = "n" + std::to_string(names++) + ".test";
        dns.tell(name, {{dns_answer::kind::addresses, {address}, 0, false}});
        expect_the_same_of("http://" + name + port + "/");
        dns.tell("mixed-" + name, {{dns_answer::kind::addresses, {"8.8.8.8", address}, 0, false}});
        expect_the_same_of("http://mixed-" + name + port + "/");
    }
    EXPECT_EQ(inside.connections(), 0);
}

TEST_F(webhook_errands_test, more_questions_than_allowed_are_not_asked) {
    errands({2, 1});
    auto const begin_asking = [&](std::string const& account) {
        std::string const name = "silent-" + account + ".test";
        dns.tell(name, {{dns_answer::kind::silence, {}, 0, false}});
        auto out = std::async(std::launch::async, [this, name, account] { return judge("http://" + name, account); });
        EXPECT_TRUE(test::eventually([&] { return dns.questions(name) > 0; }));
        return out;
    };
    auto first = begin_asking("a");
    EXPECT_EQ(judge("http://other.test/").error().kind, fault::over_limit);
    auto second = begin_asking("b");
    auto const third = judge("http://other.test/", "c");
    EXPECT_EQ(third.error().kind, fault::overloaded);
    EXPECT_NE(third.error().message.find("checks of URLs"), std::string::npos);
    stop();
    EXPECT_EQ(first.get().value(), std::nullopt);
    EXPECT_EQ(second.get().value(), std::nullopt);
}

} // namespace
} // namespace klen::webhooks::app
