// What operators find in the log about a request.
#include "api/errors.hpp"
#include "api/gate.hpp"
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::Not;

struct server_log : ::testing::Test {
    server_log() {
        file = (std::filesystem::temp_directory_path() / "klen-log-XXXXXX").string();
        ::close(::mkstemp(file.data()));
        log::start({.min = default_config().log.level, .as = log::format::json, .file = file});
    }
    ~server_log() override {
        log::start({}); // to stderr again
        std::filesystem::remove(file);
    }

    std::string text() const {
        log::flush();
        std::ifstream in(file);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
    bool has_line_of(raw_response const& seen) const {
        return text().find("\"" + seen.header("X-Request-ID").value_or("none") + "\"") != std::string::npos;
    }
    /// The line about that request, whose status and id the client saw.
    boost::json::object line_of(raw_response const& seen) const {
        auto const id = seen.header("X-Request-ID").value_or("none");
        std::istringstream lines(text());
        for (std::string line; std::getline(lines, line);) {
            auto parsed = boost::json::parse(line).as_object();
            if (auto const* found = parsed.if_contains("request_id"); found != nullptr && found->as_string() == id)
                return parsed;
        }
        ADD_FAILURE() << "no line with request_id " << id;
        return {};
    }

    std::string file;
};

std::string member(boost::json::object const& line, char const* name) {
    auto const* found = line.if_contains(name);
    return found == nullptr ? "none" : boost::json::serialize(*found);
}

TEST_F(server_log, a_request_is_one_line_with_these_fields) {
    auto routes = sample_routes();
    routes[3].permission = "read"; // GET /things/{id}
    running_server server(std::move(routes));
    server.keys.known["secret-key"] = {.key_id = "k-1", .account_id = "acme", .permissions = {"read"}};
    raw_client client(server.port());
    auto const got = client.exchange("GET /things/7?q=secret-query HTTP/1.1\r\nHost: a\r\nX-API-Key: secret-key\r\n"
                                     "X-Request-ID: given-1\r\n\r\n");
    ASSERT_EQ(got.header("X-Request-ID"), "given-1");
    auto const line = line_of(got);
    EXPECT_EQ(member(line, "message"), "\"request answered\"");
    EXPECT_EQ(member(line, "http.request.method"), "\"GET\"");
    EXPECT_EQ(member(line, "http.route"), "\"/things/{id}\"");
    EXPECT_EQ(member(line, "http.response.status_code"), "200");
    EXPECT_EQ(member(line, "key_id"), "\"k-1\"");
    EXPECT_EQ(member(line, "account_id"), "\"acme\"");
    EXPECT_GT(line.at("event.duration").to_number<std::int64_t>(), 0);
    EXPECT_THAT(text(), Not(HasSubstr("secret")));
}

TEST_F(server_log, a_line_says_for_whom_a_platform_key_acted_and_on_what) {
    auto routes = sample_routes();
    routes[3].permission = "read"; // GET /things/{id}
    routes[3].path = "/webhooks/{id}";
    running_server server(std::move(routes));
    server.keys.known["secret-key"] = {.key_id = "k-1", .account_id = std::nullopt, .permissions = {"read"}};
    auto const ask = [&](std::string const& target) {
        raw_client client(server.port());
        return line_of(client.exchange("GET " + target + " HTTP/1.1\r\nHost: a\r\nX-API-Key: secret-key\r\n\r\n"));
    };
    auto const line = ask("/webhooks/019af0c3-5be1-7c54-9d0f-3c1b8f0f6a52?account_id=acme&q=secret-query");
    EXPECT_EQ(member(line, "account_id"), "\"acme\"");
    EXPECT_EQ(member(line, "webhook_id"), "\"019af0c3-5be1-7c54-9d0f-3c1b8f0f6a52\"");
    auto const other = ask("/webhooks/secret-text");
    EXPECT_EQ(member(other, "account_id"), "\"\"");
    EXPECT_EQ(member(other, "webhook_id"), "none") << "what is no id is not repeated";
    EXPECT_THAT(text(), Not(HasSubstr("secret")));
}

TEST_F(server_log, every_answer_is_found_by_its_id) {
    auto config = running_server::quick_limits();
    config.header_timeout = milliseconds(100);
    running_server server(sample_routes(), config);
    std::string const start = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for (auto const& [request, status] : {
             std::pair<std::string, int>{"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200},
             {"nonsense\r\n\r\n", 400},
             {"GET /\n", 400},
             {start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
             {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             {"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404},
             {"PUT /hello HTTP/1.1\r\nHost: a\r\n\r\n", 405},
             {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204},
             {"GET /hel", 408},
             {start + "Content-Length: 999999\r\n\r\n", 413},
             {start + "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", 415},
             {start + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 400},
             {start + "Expect: a-pony\r\n\r\n", 417},
             {"GET /" + std::string(2000, 'x'), 431},
             {"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n", 500},
         }) {
        raw_client client(server.port());
        auto const got = client.exchange(request);
        EXPECT_EQ(got.status, status) << request;
        EXPECT_TRUE(got.header("X-Request-ID")) << request;
        auto const line = line_of(got);
        if (status != 500) { // that one has a line about its handler before
            EXPECT_EQ(member(line, "http.response.status_code"), std::to_string(status)) << request;
        }
    }
}

TEST_F(server_log, what_failed_here_is_told_with_the_requests_id_and_not_to_the_client) {
    auto routes = sample_routes();
    auto broken = [](api::request, api::caller) -> task<api::response> {
        co_return api::failure_response({fault::database_refused, "the disk is on fire"});
    };
    routes.push_back({.verb = api::method::get, .path = "/broken", .permission = "", .handle = broken});
    running_server server(std::move(routes));
    raw_client client(server.port());
    auto const got = client.exchange("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(got.status, 500);
    EXPECT_THAT(got.body, Not(HasSubstr("fire")));
    auto const line = line_of(got);
    EXPECT_EQ(member(line, "message"), "\"a call failed\"");
    EXPECT_THAT(member(line, "error.message"), HasSubstr("the disk is on fire"));
}

TEST_F(server_log, fewer_lines_can_be_asked_for) {
    for (auto const& [lines, expected] : std::vector<std::pair<request_lines, std::vector<bool>>>{
             {request_lines::all, {true, true, true, true, true}},
             {request_lines::most, {true, false, true, true, true}},
             {request_lines::failures, {false, false, true, true, true}},
             {request_lines::none, {false, false, false, false, true}}}) {
        auto routes = sample_routes();
        routes[1].frequent = true; // POST /echo
        running_server server(std::move(routes), running_server::quick_limits(), 2, lines);
        raw_client client(server.port());
        std::vector<bool> seen;
        for (std::string const& request :
             {std::string("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), post_echo("{}"),
              post_echo("{}", "Content-Encoding: br\r\n"), std::string("GET /none HTTP/1.1\r\nHost: a\r\n\r\n"),
              std::string("GET /fail HTTP/1.1\r\nHost: a\r\n\r\n")})
            seen.push_back(has_line_of(client.exchange(request)));
        EXPECT_EQ(seen, expected) << static_cast<int>(lines);
    }
}

TEST_F(server_log, a_connection_that_was_turned_away_is_found_too) {
    full_server full;
    raw_client second(full.server.port());
    auto const got = second.receive();
    EXPECT_EQ(got.status, 503);
    EXPECT_THAT(member(line_of(got), "message"), HasSubstr("too many are open"));
    EXPECT_EQ(full.end_first().status, 200);
}

} // namespace
} // namespace klen::webhooks
