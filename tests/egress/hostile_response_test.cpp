// Receivers that lie, flood, cut and reset.
#include "egress/client_fixture.hpp"

namespace klen::webhooks::egress {
namespace {

class hostile_response : public client_test {};

TEST_F(hostile_response, malformed_ones_are_told_and_their_connection_is_not_used_again) {
    for (std::string const bytes :
         {"<html></html>\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 2x0 OK\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"}) {
        scripted_receiver receiver(script().read_request().send(bytes).hang());
        auto const r = post(receiver.url());
        EXPECT_EQ(r.error, error_class::malformed_response) << bytes;
        EXPECT_EQ(r.status, 0);
        EXPECT_FALSE(r.message.empty());
        EXPECT_EQ(client().stats().idle_connections, 0U);
        EXPECT_TRUE(receiver.wait_until_closed());
    }
}

TEST_F(hostile_response, endless_headers_are_malformed_at_the_limit) {
    scripted_receiver receiver(
        script().read_request().send("HTTP/1.1 200 OK\r\n").send_for_ever("X-Filler: xxxxxxx\r\n"));
    auto const r = post(receiver.url());
    EXPECT_EQ(r.error, error_class::malformed_response);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(hostile_response, endless_bodies_are_cut_and_the_verdict_stands) {
    for (std::string const framing : {"Content-Length: 1000000000000\r\n", "", "Transfer-Encoding: chunked\r\n"}) {
        std::string const piece = framing.starts_with("T") ? "4\r\nabcd\r\n" : "abcd";
        scripted_receiver receiver(
            script().read_request().send("HTTP/1.1 200 OK\r\n" + framing + "\r\n").send_for_ever(piece));
        auto const r = post(receiver.url());
        EXPECT_TRUE(r.succeeded()) << framing;
        EXPECT_EQ(r.response_body.size(), 4096U) << framing;
        EXPECT_LT(r.duration, 2s);
        EXPECT_TRUE(receiver.wait_until_closed());
    }
}

TEST_F(hostile_response, endless_chunk_extensions_and_trailers_are_cut_and_the_verdict_stands) {
    for (std::string const start : {"1;x=", "0\r\nX-Trailer: "}) {
        scripted_receiver receiver(script()
                                       .read_request()
                                       .send("HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n" + start)
                                       .send_for_ever("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"));
        auto const r = post(receiver.url());
        EXPECT_EQ(r.status, 503);
        EXPECT_LT(r.duration, 2s);
    }
}

TEST_F(hostile_response, interim_responses_are_skipped) {
    scripted_receiver receiver(script()
                                   .read_request()
                                   .send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
                                   .pause(30ms)
                                   .send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
                                   .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    auto const r = post(receiver.url());
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.response_headers, "Content-Length: 0\r\n");
}

TEST_F(hostile_response, endless_interim_responses_are_malformed) {
    scripted_receiver receiver(script().read_request().send_for_ever("HTTP/1.1 100 Continue\r\n\r\n"));
    EXPECT_EQ(post(receiver.url()).error, error_class::malformed_response);
}

TEST_F(hostile_response, an_interim_response_while_we_write_does_not_end_the_writing) {
    std::string const body(3'000'000, 'x');
    scripted_receiver receiver(script()
                                   .read(1)
                                   .send("HTTP/1.1 100 Continue\r\n\r\n")
                                   .read(3'000'000)
                                   .send("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_EQ(post(receiver.url(), {.body = body}).status, 202);
}

TEST_F(hostile_response, only_interim_responses_are_no_answer) {
    scripted_receiver receiver(script().read_request().send("HTTP/1.1 100 Continue\r\n\r\n"));
    EXPECT_EQ(post(receiver.url()).error, error_class::connection_reset);
}

TEST_F(hostile_response, switching_protocols_is_a_failure) {
    scripted_receiver receiver(
        script()
            .read_request()
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            .hang());
    auto const r = post(receiver.url());
    EXPECT_EQ(r.error, error_class::http_status);
    EXPECT_EQ(r.status, 101);
    EXPECT_TRUE(receiver.wait_until_closed());
}

TEST_F(hostile_response, a_reset_or_close_before_the_complete_header_is_a_reset) {
    struct row {
        char const* name;
        script what;
    };
    for (auto const& [name, what] :
         std::vector<row>{{"reset at once", script().reset()},
                          {"close at once", script()},
                          {"reset after the request", script().read_request().reset()},
                          {"close after the request", script().read_request()},
                          {"half-close after the request", script().read_request().half_close().hang()},
                          {"reset in the status line", script().read_request().send("HTTP/1.1 2").pause(30ms).reset()},
                          {"close in the headers", script().read_request().send("HTTP/1.1 200 OK\r\nX: y\r\n")}}) {
        scripted_receiver receiver(what);
        auto const r = post(receiver.url());
        EXPECT_EQ(r.error, error_class::connection_reset) << name;
        EXPECT_EQ(r.status, 0) << name;
        EXPECT_LT(r.duration, 2s) << name;
        EXPECT_EQ(receiver.connections(), 1) << name << ": a fresh connection's request is not repeated";
    }
}

TEST_F(hostile_response, a_reset_or_close_in_the_body_leaves_the_2xx) {
    std::string const start = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    for (auto const& what :
         {script().read_request().send(start), script().read_request().send(start).pause(30ms).reset(),
          script().read_request().send(start).half_close().hang(),
          script().read_request().send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz")}) {
        scripted_receiver receiver(what);
        auto const r = post(receiver.url());
        EXPECT_TRUE(r.succeeded()) << r.message;
        EXPECT_EQ(r.response_body, "part");
        EXPECT_EQ(client().stats().idle_connections, 0U);
    }
}

TEST_F(hostile_response, an_answer_before_the_request_is_written_is_the_one_that_counts) {
    std::string const body(20'000'000, 'x');
    std::string const refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
    for (auto const& what : {script().read(100).send(refusal), script().read(100).send(refusal).pause(5s),
                             script().read(100).send(refusal).pause(50ms).reset()}) {
        scripted_receiver receiver(what);
        auto const r = post(receiver.url(), {.within = 3s, .body = body});
        EXPECT_EQ(r.error, error_class::http_status) << r.message;
        EXPECT_EQ(r.status, 413);
        EXPECT_EQ(r.response_body, "big");
        EXPECT_LT(r.duration, 2s);
    }
}

TEST_F(hostile_response, an_early_answer_of_a_peer_that_keeps_alive_ends_the_connection) {
    scripted_receiver receiver(script().read(100).send("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").hang());
    auto const r = post(receiver.url(), {.body = std::string(20'000'000, 'x')});
    EXPECT_EQ(r.status, 401);
    EXPECT_EQ(client().stats().idle_connections, 0U);
}

} // namespace
} // namespace klen::webhooks::egress
