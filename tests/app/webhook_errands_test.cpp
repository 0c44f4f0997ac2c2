// Tests of webhooks and questions about URLs, run on io threads of their own against a scripted receiver.
#include "app/webhook_errands.hpp"

#include "app/blocking.hpp"
#include "app/io_threads.hpp"
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
    webhook_errands_test() {
        settings.egress.allow_http = true;
        settings.egress.allowed_ranges = {"127.0.0.0/8"};
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

    webhook_errands& errands(std::uint32_t tests_max = 64) {
        if (!errands_) {
            errand_parts with;
            for (std::size_t i = 0; i < threads.size(); ++i)
                with.shards.push_back({threads.at(i), clients[i].get()});
            with.seals = &seals;
            with.delivery = &settings.delivery;
            with.urls = egress::url_policy_of(*context);
            with.tests_max = tests_max;
            errands_ = std::make_unique<webhook_errands>(std::move(with));
        }
        return *errands_;
    }
    void stop() {
        for (std::size_t i = 0; errands_ && i < threads.size(); ++i)
            wait_for<void>(threads.at(i), [this, i] { return errands_->stop(i); });
    }

    dispatch::test_request test_of(std::string const& url) {
        dispatch::test_request out;
        out.to.id = make_id<webhook_id>();
        out.to.account_id = "a";
        out.to.url = url;
        store::sealed_secret sealed;
        sealed.id = make_id<secret_id>();
        sealed.sealed = seals.seal(signing::secret::generate().text(), {"webhook_secrets", sealed.id.value, "a"});
        sealed.key_id = seals.key_id();
        out.to.secrets = {sealed};
        out.event.id = make_id<event_id>();
        out.event.account_id = "a";
        out.event.event_type = "webhook.test";
        out.event.body = R"({"event_type":"webhook.test"})";
        return out;
    }
    /// Begun on a thread of its own; the value comes when the errand has ended.
    std::future<dispatch::test_outcome> begin(dispatch::test_request what) {
        return std::async(std::launch::async,
                          [this, what = std::move(what)] { return test::run(errands().send_test(what)); });
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
    auto const outcome = test::run(errands().send_test(test_of(receiver.url("/hook"))));
    EXPECT_TRUE(outcome.result.succeeded()) << outcome.result.message;
    EXPECT_EQ(outcome.result.status, 202);
    EXPECT_EQ(outcome.result.response_body, "thanks");
    auto const got = receiver.requests().at(0);
    EXPECT_EQ(got.header("X-Klen-Event"), "webhook.test");
    EXPECT_EQ(got.header("X-Klen-Delivery-ID"), outcome.id.text());
    EXPECT_NE(outcome.request_headers.find("X-Klen-Signature: "), std::string::npos);
}

TEST_F(webhook_errands_test, more_tests_than_allowed_are_not_sent) {
    scripted_receiver hanging(script().read_request().hang());
    scripted_receiver other(script().answer(200).again());
    errands(1);
    auto first = begin(test_of(hanging.url("/")));
    ASSERT_TRUE(test::eventually([&] { return hanging.requests().size() == 1; }));
    auto const second = test::run(errands().send_test(test_of(other.url("/"))));
    EXPECT_EQ(second.result.error, policy::error_class::local_failure);
    EXPECT_NE(second.result.message.find("try again"), std::string::npos);
    EXPECT_TRUE(other.requests().empty());
    stop();
    EXPECT_EQ(first.get().result.error, policy::error_class::local_failure) << "the stop ends it";
}

TEST_F(webhook_errands_test, after_the_stop_nothing_is_sent_and_nobody_waits) {
    scripted_receiver receiver(script().answer(200).again());
    errands();
    stop();
    auto const outcome = test::run(errands().send_test(test_of(receiver.url("/"))));
    EXPECT_EQ(outcome.result.error, policy::error_class::local_failure);
    auto const target = egress::parse_target("http://10.0.0.1/", {true, {}, true}).value();
    EXPECT_EQ(test::run(errands().judge_address(target)), std::nullopt);
    EXPECT_TRUE(receiver.requests().empty());
}

TEST_F(webhook_errands_test, a_url_is_judged_by_where_its_name_leads) {
    dns.tell("inside.test", {{dns_answer::kind::addresses, {"10.0.0.1"}, 0, false}});
    dns.tell("fine.test", {{dns_answer::kind::addresses, {"127.0.0.1"}, 0, false}});
    auto const judge = [&](std::string const& url) {
        return test::run(errands().judge_address(egress::parse_target(url, {true, {}, true}).value()));
    };
    auto const refused = judge("http://inside.test/");
    ASSERT_TRUE(refused);
    EXPECT_EQ(*refused, judge("http://10.0.0.1/")) << "the same sentence for every refused range";
    EXPECT_EQ(judge("http://fine.test/"), std::nullopt);
    EXPECT_EQ(judge("http://unknown.test/"), std::nullopt);
}

} // namespace
} // namespace klen::webhooks::app
