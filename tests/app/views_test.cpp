#include "app/views/views.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

json_answer read(std::string_view text) { return read_json(text).value(); }

TEST(views, a_webhook_is_shown_with_its_health) {
    auto const text = webhook_text(read(R"({"id":"w1","account_id":"acct_1","name":"crm","url":"https://x.example/",
        "description":"","subscribed_events":["call.*","calendar.created"],"headers":{"X-Team":"blue"},
        "metadata":{"n":12345678901234567890},"enabled":true,"disabled_reason":null,"disabled_note":null,
        "disabled_at":null,"failing_since":"2026-03-02T09:18:41.903Z","max_concurrency":null,"max_rate_per_second":5,
        "created_at":"2026-03-01T00:00:00.000Z","updated_at":"2026-03-01T00:00:00.000Z",
        "health":{"pending":10000,"pending_is_minimum":true,"last_success_at":null,
        "last_failure_at":"2026-03-02T09:18:41.903Z","last_failure_class":"timeout","consecutive_failures":3,
        "circuit":"open","circuit_open_until":"2026-03-02T09:19:00.000Z",
        "last_hour":{"delivered":199,"failed":1,"success_rate":0.995,"p50_ms":40,"p95_ms":1250},
        "last_day":{"delivered":0,"failed":0,"success_rate":null,"p50_ms":null,"p95_ms":null}}})"));
    for (char const* part :
         {"state:              failing\n", "events:             call.*, calendar.created\n",
          "metadata:           {\"n\":12345678901234567890}\n", "requests a second:  5\n", "  X-Team: blue\n",
          "10000 or more", "open until 2026-03-02T09:19:00Z", "2026-03-02T09:18:41Z (timeout)",
          "199 delivered, 1 failed (99.5 % success), half within 40 ms, 95 % within 1.2 s", "no attempts"})
        EXPECT_TRUE(has(text, part)) << part << " in\n" << text;
    EXPECT_FALSE(has(text, "description")) << text;
}

TEST(views, a_disabled_webhook_says_why) {
    auto const w = read(R"({"id":"w1","enabled":false,"disabled_reason":"gone","disabled_note":"answered 410"})");
    EXPECT_TRUE(has(webhook_text(w), "disabled (gone)"));
    EXPECT_TRUE(has(webhook_text(w), "answered 410"));
    EXPECT_EQ(webhook_list_view().row(w.value).at(2), "disabled (gone)");
}

TEST(views, a_delivery_is_shown_with_its_body_and_attempts) {
    auto const delivery = read(R"({"id":"d1","event_id":"e1","webhook_id":"w1","account_id":"a",
        "event_type":"call.ended","status":"failed","attempts_made":2,"next_attempt_at":null,
        "event":{"id":"e1","body":{"event_type":"call.ended","n":9007199254740993}},
        "attempts":[
        {"attempt":1,"trigger":"schedule","started_at":"2026-03-02T09:18:41.903Z","duration_ms":10001,
         "decision":"retry","status":null,"error_class":"timeout","message":"no answer","remote_address":"192.0.2.1:443",
         "next_attempt_at":"2026-03-02T09:19:51.903Z","request_headers":null,"response_headers":[],"response_body":"",
         "response_body_encoding":"utf-8"},
        {"attempt":2,"trigger":"manual","started_at":"2026-03-02T09:20:00.000Z","duration_ms":12,"decision":"failed",
         "status":500,"error_class":"http_status","message":"HTTP 500","remote_address":null,"next_attempt_at":null,
         "request_headers":[["X-Klen-Attempt","2"]],"response_headers":[["Server","x\u001b[2J"]],
         "response_body":"{\"why\":1.50}","response_body_encoding":"utf-8"}]})");
    auto const brief = delivery_text(delivery, false, {});
    for (char const* part : {"\"n\": 9007199254740993", "10.0 s", "timeout", "HTTP 500", "manual", "192.0.2.1:443",
                             "2026-03-02T09:19:51Z"})
        EXPECT_TRUE(has(brief, part)) << part << " in\n" << brief;
    EXPECT_FALSE(has(brief, "X-Klen-Attempt"));
    for (std::size_t at = 0; at < brief.size(); at = brief.find('\n', at) + 1)
        EXPECT_LE(brief.find('\n', at) - at, 120U) << brief.substr(at);
    auto const full = delivery_text(delivery, true, {});
    for (char const* part : {"X-Klen-Attempt: 2", "Server: x?[2J", "\"why\": 1.5", "no response"})
        EXPECT_TRUE(has(full, part)) << part << " in\n" << full;
    EXPECT_FALSE(has(full, "\x1b"));
}

TEST(views, a_delivery_that_is_overdue_says_where_to_look) {
    auto const shown = [](char const* status, wall_time now) {
        return delivery_text(read(R"({"id":"d1","status":")" + std::string(status) +
                                  R"(","next_attempt_at":"2026-03-02T09:19:51.903Z"})"),
                             false, now);
    };
    auto const at = *parse_rfc3339("2026-03-02T09:19:51.903Z");
    EXPECT_TRUE(has(shown("pending", at + std::chrono::seconds(1)), "webhook is disabled"));
    EXPECT_FALSE(has(shown("pending", at - std::chrono::seconds(1)), "webhook is disabled"));
    EXPECT_FALSE(has(shown("delivering", at + std::chrono::seconds(1)), "webhook is disabled"));
}

TEST(views, a_webhook_that_just_began_to_fail_does_not_count_none) {
    auto const shown = [](std::string const& failing_since, char const* count) {
        return webhook_text(read(R"({"id":"w1","enabled":true,"failing_since":)" + failing_since +
                                 R"(,"health":{"consecutive_failures":)" + count + "}}"));
    };
    EXPECT_TRUE(has(shown(R"("2026-03-02T09:18:41.903Z")", "0"), "0 so far"));
    EXPECT_FALSE(has(shown(R"("2026-03-02T09:18:41.903Z")", "2"), "so far"));
    EXPECT_FALSE(has(shown("null", "0"), "so far"));
}

TEST(views, bodies_that_are_no_json_or_no_text_are_shown_as_what_they_are) {
    EXPECT_EQ(body_lines(R"("<html>\u0007\nx")", "utf-8", "  "), "  <html>?\n  x\n");
    EXPECT_EQ(body_lines(R"("AAECAw==")", "base64", "  "), "  (4 bytes that are no text)\n");
    EXPECT_EQ(body_lines("\"\"", "utf-8", "  "), "  -\n");
    EXPECT_EQ(body_lines("", "", ""), "-\n");
    EXPECT_EQ(body_lines(R"({"a":1})", "", ""), "{\n  \"a\": 1\n}\n");
}

TEST(views, resending_answers_without_event_and_attempts) {
    auto const text =
        delivery_text(read(R"({"id":"d1","status":"pending","attempts_made":1,"last_attempt":null})"), false, {});
    EXPECT_FALSE(has(text, "attempts:\n")) << text;
    EXPECT_FALSE(has(text, "retention")) << text;
    EXPECT_TRUE(has(delivery_text(read(R"({"id":"d1","event":null,"attempts":[]})"), false, {}), "past its retention"));
}

TEST(views, what_is_shown_in_part_says_how_to_go_on) {
    auto const delivery = read(R"({"id":"d1","event":null,"next_cursor":"c1","attempts":[
        {"attempt":7,"status":null,"request_headers":null,"request_headers_left_out":true}]})");
    EXPECT_TRUE(has(delivery_text(delivery, false, {}), "there are earlier attempts: --cursor c1\n"));
    EXPECT_TRUE(has(delivery_text(delivery, true, {}), "left out")) << delivery_text(delivery, true, {});
    auto const event = read(R"({"id":"e1","body":{},"next_cursor":"c2","deliveries":[{"id":"d1","attempts":[]}]})");
    EXPECT_TRUE(has(event_text(event), "there are more deliveries: --cursor c2\n"));
    auto const whole = read(R"({"id":"e1","body":{},"next_cursor":null,"deliveries":[{"id":"d1","attempts":[]}]})");
    EXPECT_FALSE(has(event_text(whole), "--cursor"));
}

TEST(views, a_list_of_deliveries_shows_what_the_last_attempt_came_to) {
    auto const row = [](std::string_view last) {
        return delivery_list_view(false).row(
            read(R"({"id":"d1","event_id":"e1","webhook_id":"w1","attempts_made":1,"last_attempt":)" +
                 std::string(last) + "}")
                .value);
    };
    EXPECT_EQ(row(R"({"status":204,"error_class":null})").at(5), "HTTP 204");
    EXPECT_EQ(row(R"({"status":null,"error_class":"dns_failure","message":"no"})").at(5), "dns_failure: no");
    EXPECT_EQ(row("null").at(5), "");
    EXPECT_EQ(row("null").at(7), "e1");
    EXPECT_EQ(delivery_list_view(true).row(read(R"({"webhook_id":"w1"})").value).at(7), "w1");
}

TEST(views, a_test_shows_what_went_out_and_what_came_back) {
    auto const text = test_text(read(R"({"delivered":false,"event_type":"webhook.test","delivery_id":"d","status":null,
        "error_class":"connect_refused","message":"refused","duration_ms":3,"remote_address":null,
        "request":{"url":"https://x.example/","headers":[["A","b"]],"body":"{\"event_type\":\"webhook.test\"}"},
        "response":null})"));
    for (char const* part : {"delivered:", "no\n", "connect_refused", "POST https://x.example/", "  A: b",
                             "\"event_type\": \"webhook.test\""})
        EXPECT_TRUE(has(text, part)) << part << " in\n" << text;
    EXPECT_FALSE(has(text, "response:"));
}

TEST(views, secrets_are_shown_or_left_out) {
    auto const secrets = read(R"({"secret":"whsec_b","secrets":[
        {"secret":"whsec_b","created_at":"2026-03-02T09:18:41.903Z","expires_at":null},
        {"secret":"whsec_a","created_at":"2026-03-01T09:18:41.903Z","expires_at":"2026-03-03T09:18:41.903Z"}]})");
    EXPECT_EQ(secrets_text(secrets, true), "SECRET   CREATED               SIGNS UNTIL\n"
                                           "whsec_b  2026-03-02T09:18:41Z  until replaced\n"
                                           "whsec_a  2026-03-01T09:18:41Z  2026-03-03T09:18:41Z\n");
    EXPECT_FALSE(has(secrets_text(secrets, false), "whsec"));
}

TEST(views, answers_of_another_version_are_shown_as_far_as_they_go) {
    for (char const* text :
         {"{}", "[]", "7", R"({"headers":7,"attempts":{},"deliveries":[7],"health":[],"event":3})"}) {
        auto const answer = read(text);
        EXPECT_NO_THROW({
            webhook_text(answer);
            delivery_text(answer, true, {});
            event_text(answer);
            event_type_text(answer);
            job_text(answer);
            key_text(answer);
            whoami_text(answer);
            test_text(answer);
            secrets_text(answer, true);
            for (auto const& view : {webhook_list_view(), delivery_list_view(true), event_list_view(),
                                     event_type_list_view(), job_list_view(), key_list_view()})
                EXPECT_EQ(view.row(answer.value).size(), view.columns.size());
        }) << text;
    }
}

} // namespace
} // namespace klen::webhooks::app
