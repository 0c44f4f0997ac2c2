// Raw requests from hostile clients to the whole API: each is told what is wrong with it and closed, and no event comes
// of what it hides.
#include "api/gzip.hpp"
#include "api/raw_client.hpp"
#include "api/running_server.hpp"
#include "api/service_fixture.hpp"
#include "support/sanitized.hpp"

#include <gmock/gmock.h>

#include <sys/resource.h>

#include <fstream>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using namespace std::string_literals;

using testing::sanitized;

constexpr std::size_t megabyte = std::size_t{1} << 20;

std::size_t resident_bytes() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::string const event = R"({"event_type":"call.ended","payload":{"call":{"id":1}}})";
std::string const head = "POST /api/v1/events?account_id=acct_1 HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n"
                         "Content-Type: application/json\r\n";

std::string publish(std::string const& body, std::string const& more = "") {
    return head + more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class hostile_request : public service_fixture {
  protected:
    /// A server as it is configured by default, but for what `change` changes.
    running_server& server(void (*change)(server_config&) = [](server_config&) {}) {
        auto config = settings.server;
        change(config);
        server_ = std::make_unique<running_server>(api::api_routes(with), config, 2, request_lines::none);
        server_->keys.known["key"] = {.key_id = "1", .account_id = "acct_1", .permissions = {"publish"}};
        return *server_;
    }

  private:
    std::unique_ptr<running_server> server_;
};

struct raw_request {
    std::string name;
    std::string bytes;
    int status;
};

/// With `lines` among the fields, and behind the header a chunked end and a second request, for whoever reads on.
raw_request smuggling(std::string const& lines, int status = 400) {
    return {lines, head + lines + "\r\n0\r\n\r\n" + publish(event), status};
}
raw_request chunked(std::string const& chunks) {
    return {"chunks: " + chunks, head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + publish(event), 400};
}

std::vector<raw_request> raw_requests() {
    std::vector<raw_request> out;
    // Framed in two ways, or in a way that some servers read otherwise.
    for (auto const& lines : {
             "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"s,
             "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"s,
             "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"s,
             "Content-Length: 5\r\ntransfer-encoding: CHUNKED\r\n"s,
             "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"s,
             "Transfer-Encoding: identity\r\nContent-Length: 5\r\n"s,
             "Transfer-Encoding: gzip, chunked\r\n"s,
             "Transfer-Encoding: chunked, gzip\r\n"s,
             "Transfer-Encoding: chunked, identity\r\n"s,
             "Transfer-Encoding: chunked, chunked\r\n"s,
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"s,
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"s,
             "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"s,
             "Transfer-Encoding: xchunked\r\n"s,
             "Transfer-Encoding: chunkedx\r\n"s,
             "Transfer-Encoding: chunk\r\n"s,
             "Transfer-Encoding: chunked;\r\n"s,
             "Transfer-Encoding: chunked;ext=1\r\n"s,
             "Transfer-Encoding: ,chunked\r\n"s,
             "Transfer-Encoding: chunked,\r\n"s,
             "Transfer-Encoding: \"chunked\"\r\n"s,
             "Transfer-Encoding: 'chunked'\r\n"s,
             "Transfer-Encoding:\r\n"s,
             "Transfer-Encoding: \x0b"
             "chunked\r\n"s,
             "Transfer-Encoding: \x0c"
             "chunked\r\n"s,
             "Transfer-Encoding: chunked\x00\r\n"s,
             "Transfer-Encoding: chunked\xa0\r\n"s,
             "Transfer-Encoding: \xef\xbb\xbf"
             "chunked\r\n"s,
             "Transfer-Encoding\r\n: chunked\r\n"s,
             "Transfer-Encoding : chunked\r\n"s,
             "Transfer-Encoding\t: chunked\r\n"s,
             " Transfer-Encoding: chunked\r\n"s,
             "\tTransfer-Encoding: chunked\r\n"s,
             "Transfer-Encoding:\r\n chunked\r\n"s,
             "X: y\r\n Transfer-Encoding: chunked\r\n"s,
             "X: y\rTransfer-Encoding: chunked\r\n"s,
             "X: y\nTransfer-Encoding: chunked\r\n"s,
             "X: y\n\rTransfer-Encoding: chunked\r\n"s,
             "Transfer-Encoding: chunked\n\r\n"s,
             "Transfer_Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5\r\n"s,
             "Transfer-Encoding chunked\r\n"s,
             ": chunked\r\n"s,
             "Content-Length: 5\r\nContent-Length: 5\r\n"s,
             "Content-Length: 5\r\nContent-Length: 6\r\n"s,
             "Content-Length: 5\r\ncontent-length: 0\r\n"s,
             "Content-Length: 5, 5\r\n"s,
             "Content-Length: 5, 0\r\n"s,
             "Content-Length: 5;\r\n"s,
             "Content-Length: +5\r\n"s,
             "Content-Length: -5\r\n"s,
             "Content-Length: -0\r\n"s,
             "Content-Length: 0x5\r\n"s,
             "Content-Length: 5e0\r\n"s,
             "Content-Length: 5.0\r\n"s,
             "Content-Length: 5 5\r\n"s,
             "Content-Length: 5\x00\r\n"s,
             "Content-Length: \x0b"
             "5\r\n"s,
             "Content-Length: \xd9\xa5\r\n"s,
             "Content-Length:\r\n"s,
             "Content-Length:\r\n 5\r\n"s,
             "Content-Length: 5\r\n 0\r\n"s,
             "Content-Length : 5\r\n"s,
             "Content-Length\t: 5\r\n"s,
             "Content-Length: 18446744073709551616\r\n"s,
             "Content-Length: 18446744073709551621\r\n"s,
             "Content-Length: 99999999999999999999999999\r\n"s,
             "Host: b\r\n"s,
             "host: a\r\n"s,
             "Host : a\r\n"s,
             "X-API-Key: other\r\n"s,
             "x-api-key: key\r\n"s,
             "Content-Type: text/plain\r\n"s,
             "X-Field\r\n"s,
             "X Field: y\r\n"s,
             "X(Field): y\r\n"s,
             "X-F\xc3\xbcr: y\r\n"s,
             "X\x00: y\r\n"s,
             "X: y\x00z\r\n"s,
             "X: y\x01z\r\n"s,
             "X: y\x7fz\r\n"s,
         })
        out.push_back(smuggling(lines));
    // Chunks.
    for (auto const& chunks : {
             "0\r\nX-Trailer: y\r\n\r\n"s,
             "0\r\nContent-Length: 5\r\n\r\n"s,
             "0\r\nHost: b\r\n\r\n"s,
             "0\n\n"s,
             "0\r\n\n"s,
             "0\r\r\n"s,
             "0\rx\r\n"s,
             "-1\r\n\r\n"s,
             "+0\r\n\r\n"s,
             "0x0\r\n\r\n"s,
             "\r\n\r\n"s,
             " 0\r\n\r\n"s,
             "g\r\n\r\n"s,
             "2\r\n{}X\r\n0\r\n\r\n"s,
             "2\r\n{}\r0\r\n\r\n"s,
             "2\r\n{}\n0\r\n\r\n"s,
             "2\n{}\r\n0\r\n\r\n"s,
             "2;a\nb\r\n{}\r\n0\r\n\r\n"s,
             "2;a\rb\r\n{}\r\n0\r\n\r\n"s,
             "2;\x00\r\n{}\r\n0\r\n\r\n"s,
             "10000000000000000\r\n"s,
             "fffffffffffffffff\r\n"s,
             "00000000000000000000000000000000000000002\r\n{}X"s,
         })
        out.push_back(chunked(chunks));
    // The request line and the field Host.
    auto const rest = " HTTP/1.1\r\nHost: a\r\n\r\n"s;
    for (auto const& bytes : {
             "GET / HTTP/1.1\r\n\r\n"s,
             "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"s,
             "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"s,
             "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"s,
             "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"s,
             "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"s,
             "GET / HTTP/1.1\r\n Host: a\r\n\r\n"s,
             "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"s,
             "GET / HTTP/0.9\r\nHost: a\r\n\r\n"s,
             "GET / HTTP/1.2\r\nHost: a\r\n\r\n"s,
             "GET / HTTP/2.0\r\nHost: a\r\n\r\n"s,
             "GET / HTTP/11\r\nHost: a\r\n\r\n"s,
             "GET / http/1.1\r\nHost: a\r\n\r\n"s,
             "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"s,
             "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"s,
             "GET /\r\nHost: a\r\n\r\n"s,
             "GET  /"s + rest,
             "GET\t/"s + rest,
             "GET / /"s + rest,
             " GET /"s + rest,
             "/ HTTP/1.1\r\nHost: a\r\n\r\n"s,
             "GET /\x00"s + rest,
             "GET /\x7f"s + rest,
             "GET /\rx"s + rest,
             "G(T /"s + rest,
             "GET"s + rest,
             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s,
             "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s,
             "\x00\x00\x00\r\n\r\n"s,
             "SSH-2.0-OpenSSH_9.2\r\n\r\n"s,
             "EHLO example.com\r\n\r\n"s,
             "*1\r\n$4\r\nPING\r\n\r\n"s,
             "GET / HTTP/1.1\nHost: a\n\n"s,
         })
        out.push_back({"line: " + bytes, bytes, 400});
    // Sizes.
    std::string many;
    for (int i = 0; i < 101; ++i)
        many += "A: b\r\n";
    out.push_back({"101 fields", head + many + "\r\n", 400});
    out.push_back({"a field of 9 KB", head + "X: " + std::string(9000, 'x') + "\r\n\r\n", 431});
    out.push_back({"a target of 9 KB", "GET /" + std::string(9000, 'x') + rest, 431});
    out.push_back({"a method of 9 KB", std::string(9000, 'X') + " /" + rest, 431});
    out.push_back({"1 GiB announced", head + "Content-Length: 1073741824\r\n\r\n" + event, 413});
    out.push_back({"2^63 announced", head + "Content-Length: 9223372036854775808\r\n\r\n" + event, 413});
    out.push_back({"2^64 - 1 announced", head + "Content-Length: 18446744073709551615\r\n\r\n" + event, 413});
    out.push_back({"a chunk of 1 GiB", head + "Transfer-Encoding: chunked\r\n\r\n40000000\r\n" + event, 413});
    out.push_back(
        {"a chunk of 2^64 - 1", head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + event, 400});
    out.push_back({"1 GiB announced and gzipped",
                   head + "Content-Encoding: gzip\r\nContent-Length: 1073741824\r\n\r\n" + event, 413});
    out.push_back({"an expectation", head + "Expect: miracles\r\nContent-Length: 5\r\n\r\n", 417});
    return out;
}

TEST_F(hostile_request, each_is_told_and_closed_and_nothing_of_it_is_done) {
    auto& s = server();
    auto const all = raw_requests();
    EXPECT_GE(all.size(), 130U);
    for (auto const& r : all) {
        raw_client client(s.port());
        client.send(r.bytes);
        auto const got = client.receive();
        EXPECT_EQ(got.status, r.status) << r.name;
        EXPECT_EQ(got.header("Connection"), "close") << r.name;
        EXPECT_THAT(got.body, ::testing::HasSubstr(R"("message":)")) << r.name;
        client.shut_down_sending();
        EXPECT_TRUE(client.ended()) << r.name; // neither a second answer nor a reset
    }
    EXPECT_TRUE(writer.submitted().empty());
    raw_client client(s.port());
    EXPECT_EQ(client.exchange(publish(event)).status, 202);
    EXPECT_EQ(writer.submitted().size(), 1U);
    RecordProperty("requests", static_cast<int>(all.size()));
}

TEST_F(hostile_request, a_body_of_1_gib_is_refused_before_it_is_read_and_leaves_no_trace) {
    auto& s = server();
    {
        raw_client warm_up(s.port());
        EXPECT_EQ(warm_up.exchange(publish(event)).status, 202);
    }
    auto const before = resident_bytes();
    for (int i = 0; i < 20; ++i) {
        raw_client client(s.port());
        auto const got = client.exchange(head + "Content-Length: 1073741824\r\n\r\n");
        EXPECT_EQ(got.status, 413);
        // Whoever sends it all the same finds the connection closed after a little more.
        std::string const piece(megabyte, 'x');
        int sent = 0;
        while (sent < 64 && client.send(piece))
            ++sent;
        EXPECT_LT(sent, 64);
    }
    EXPECT_LT(resident_bytes(), before + 64 * megabyte);
}

TEST_F(hostile_request, a_million_brackets_are_refused_in_constant_memory) {
    auto& s = server([](server_config& c) { c.body_bytes_max = 16 * megabyte; });
    auto const times = [](std::string const& what) {
        std::string out;
        for (int i = 0; i < 1'000'000; ++i)
            out += what;
        return out;
    };
    std::vector<std::string> const bodies{
        times("["),
        times("{\"a\":"),
        times("[{\"a\":"),
        R"({"event_type":"call.ended","payload":)" + times("[") + times("]") + "}",
        R"({"event_type":"call.ended","payload":{"a":)" + times("[") + times("]") + "}}",
        "[" + event + "," + times("[") + "]",
        times("]"),
        times("\""),
    };
    {
        raw_client warm_up(s.port());
        EXPECT_EQ(warm_up.exchange(publish(std::string(8 * megabyte, ' ') + event)).status, 202);
    }
    auto const before = resident_bytes();
    auto const begun = std::chrono::steady_clock::now();
    for (auto const& body : bodies)
        for (bool const gzipped : {false, true}) {
            raw_client client(s.port());
            auto const got =
                client.exchange(gzipped ? publish(gzip(body), "Content-Encoding: gzip\r\n") : publish(body));
            EXPECT_EQ(got.status, 400) << body.substr(0, 60);
            EXPECT_LT(got.body.size(), 4096U);
        }
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(sanitized ? 60 : 5));
    EXPECT_LT(resident_bytes(), before + (sanitized ? 512 : 64) * megabyte);
    EXPECT_EQ(writer.submitted().size(), 1U);
}

/// Raises this process's limit of descriptors while it lives.
class many_descriptors {
  public:
    many_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit const more{.rlim_cur = before_.rlim_max, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &more);
    }
    ~many_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    many_descriptors(many_descriptors const&) = delete;
    many_descriptors& operator=(many_descriptors const&) = delete;
    std::size_t max() const { return before_.rlim_max; }

  private:
    rlimit before_{};
};

/// A client that never ends its request.
class slow_client {
  public:
    explicit slow_client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = socket_ >= 0 && ::connect(socket_, reinterpret_cast<sockaddr const*>(&to), sizeof to) == 0;
    }
    ~slow_client() {
        if (socket_ >= 0)
            ::close(socket_);
    }
    slow_client(slow_client&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}
    slow_client& operator=(slow_client&&) = delete;

    bool connected() const { return connected_; }
    void send(std::string_view bytes) const {
        static_cast<void>(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    }

  private:
    int socket_;
    bool connected_;
};

std::chrono::microseconds publish_once(raw_client& client) {
    auto const begun = std::chrono::steady_clock::now();
    EXPECT_EQ(client.exchange(publish(event)).status, 202);
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun);
}

std::chrono::microseconds p99(std::vector<std::chrono::microseconds> all) {
    std::ranges::sort(all);
    return all[all.size() * 99 / 100];
}

TEST_F(hostile_request, ten_thousand_slow_clients_are_dropped_in_time_and_disturb_nobody) {
    many_descriptors const descriptors;
    std::size_t const wanted = sanitized ? 1'000 : 10'000;
    std::size_t const count = std::min(wanted, descriptors.max() / 2 - 100); // both ends are this process's
    auto& s = server([](server_config& c) {
        c.connections_max = 12'000;
        c.header_timeout = milliseconds(sanitized ? 8000 : 4000);
    });
    raw_client publisher(s.port());
    constexpr int publishes = 1000;
    std::vector<std::chrono::microseconds> alone;
    for (int i = 0; i < publishes; ++i)
        alone.push_back(publish_once(publisher));

    auto const before = resident_bytes();
    std::vector<slow_client> slow;
    slow.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        slow.emplace_back(s.port());
        ASSERT_TRUE(slow.back().connected()) << i;
        slow.back().send(i % 3 == 0 ? "" : i % 3 == 1 ? "POST /api/v1/events HTTP/1.1\r\nX: " : "P");
    }
    while (s.stats().connections < count + 1)
        std::this_thread::yield();
    std::vector<std::chrono::microseconds> beside;
    for (int i = 0; i < publishes; ++i) {
        for (std::size_t j = 0; j < 10; ++j)
            slow[(static_cast<std::size_t>(i) * 10 + j) % count].send("x"); // the next byte of a few of them
        beside.push_back(publish_once(publisher));
    }
    auto const grown = resident_bytes() - before;
    EXPECT_LE(grown / count, std::size_t{sanitized ? 150'000 : 12'288}) << "bytes for each connection";
    EXPECT_LE(p99(beside), std::max(p99(alone) * 3 / 2, std::chrono::microseconds(sanitized ? 200'000 : 20'000)));
    RecordProperty("connections", static_cast<int>(count));
    RecordProperty("p99_us_alone", static_cast<int>(p99(alone).count()));
    RecordProperty("p99_us_beside", static_cast<int>(p99(beside).count()));
    RecordProperty("grown_kb", static_cast<int>(grown / 1024));
    // None of them lasts: those that began a request are told, however steadily they go on.
    auto const deadline = std::chrono::steady_clock::now() + seconds(sanitized ? 60 : 20);
    while (s.stats().responses_by_status.count(408) == 0 && std::chrono::steady_clock::now() < deadline)
        publish_once(publisher);
    while (s.stats().connections > count / 3 + 2 && std::chrono::steady_clock::now() < deadline)
        publish_once(publisher);
    EXPECT_LE(s.stats().connections, count / 3 + 2) << "the silent ones have an idle client's time";
}

} // namespace
} // namespace klen::webhooks
