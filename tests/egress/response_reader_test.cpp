#include "egress/response_reader.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::egress {
namespace {

using namespace std::chrono_literals;
using phase = response_reader::phase;

constexpr response_reader::limits usual{8192, 4096};

/// Feeds `bytes` in pieces of `piece`; 0: all at once.
response_reader read(std::string_view bytes, std::size_t piece = 0, response_reader::limits with = usual) {
    response_reader out(with);
    while (!bytes.empty()) {
        auto const n = piece == 0 ? bytes.size() : std::min(piece, bytes.size());
        out.feed(bytes.substr(0, n));
        bytes.remove_prefix(n);
    }
    return out;
}

constexpr std::array<std::size_t, 4> pieces{0, 1, 2, 7};

TEST(response_reader, a_complete_response_can_be_followed_by_another_request) {
    for (auto const piece : pieces) {
        auto r = read("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello", piece);
        EXPECT_EQ(r.at(), phase::finished);
        EXPECT_EQ(r.status(), 200);
        EXPECT_TRUE(r.reusable());
        EXPECT_EQ(r.take_headers(), "X-A: b\r\nContent-Length: 5\r\n");
        EXPECT_EQ(r.take_body(), "hello");
    }
}

TEST(response_reader, bodies_end_where_their_framing_says) {
    struct row {
        std::string bytes;
        std::string body;
        bool reusable;
    };
    for (auto const& [bytes, body, reusable] : std::vector<row>{
             {"HTTP/1.1 204 No Content\r\n\r\n", "", true},
             {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", "", true},
             {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "", true},
             {"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", true},
             {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false},
             {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false},
             {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", true},
             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", true},
             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\no\r\n1;c=\"d\"\r\nk\r\n0\r\nX-T: "
              "v\r\n\r\n",
              "ok", true},
         }) {
        for (auto const piece : pieces) {
            auto r = read(bytes, piece);
            EXPECT_EQ(r.at(), phase::finished) << bytes;
            EXPECT_TRUE(r.has_verdict()) << bytes;
            EXPECT_EQ(r.take_body(), body) << bytes;
            EXPECT_EQ(r.reusable(), reusable) << bytes;
        }
    }
}

TEST(response_reader, a_body_without_framing_lasts_until_the_end_of_the_stream) {
    auto r = read("HTTP/1.1 200 OK\r\n\r\nhello");
    EXPECT_EQ(r.at(), phase::body);
    EXPECT_TRUE(r.has_verdict());
    EXPECT_EQ(r.end_of_stream(), phase::finished);
    EXPECT_EQ(r.take_body(), "hello");
    EXPECT_FALSE(r.reusable());
}

TEST(response_reader, the_verdict_stands_once_the_header_is_complete) {
    for (std::string const tail : {"", "par", "\xff\xff"}) {
        auto cut = read("HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n" + tail);
        EXPECT_EQ(cut.end_of_stream(), phase::finished);
        EXPECT_EQ(cut.status(), 201);
        EXPECT_FALSE(cut.reusable());
        EXPECT_EQ(cut.take_body(), tail);
    }
    for (std::string const chunk : {"zz\r\n", "-1\r\nx\r\n", "5\r\nhelloX", "ffffffffffffffffff\r\n", "\r\n"}) {
        auto broken = read("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk);
        broken.end_of_stream();
        EXPECT_EQ(broken.at(), phase::finished) << chunk;
        EXPECT_EQ(broken.status(), 202) << chunk;
        EXPECT_FALSE(broken.reusable()) << chunk;
    }
}

TEST(response_reader, of_a_long_body_only_the_start_is_kept_and_no_more_is_read) {
    auto r = read("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(5000, 'x'));
    EXPECT_EQ(r.at(), phase::finished);
    EXPECT_EQ(r.take_body(), std::string(4096, 'x'));
    EXPECT_FALSE(r.reusable());

    auto announced = read("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nabc");
    EXPECT_EQ(announced.at(), phase::body);
    EXPECT_EQ(announced.status(), 200);

    auto exact = read("HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + std::string(4096, 'x'));
    EXPECT_TRUE(exact.reusable());
}

TEST(response_reader, chunk_extensions_and_trailers_are_read_up_to_a_limit) {
    std::string const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (auto const& endless :
         {std::string("1;x=") + std::string(100'000, 'y'), std::string("0\r\n") + std::string(100'000, 'T'),
          [] {
              std::string many = "0\r\n";
              for (int i = 0; i < 10'000; ++i)
                  many += "X-T: v\r\n";
              return many;
          }(),
          [] {
              std::string many;
              for (int i = 0; i < 3'000; ++i)
                  many += "1;extension=of-some-length\r\nx\r\n";
              return many;
          }()}) {
        response_reader r(usual);
        r.feed(head);
        std::size_t fed = 0;
        while (r.wants_more() && fed < endless.size()) {
            r.feed(std::string_view(endless).substr(fed, 1000));
            fed += 1000;
        }
        EXPECT_EQ(r.at(), phase::finished);
        EXPECT_LT(fed, 40'000U);
        EXPECT_EQ(r.status(), 200);
        EXPECT_FALSE(r.reusable());
    }
}

TEST(response_reader, chunks_are_what_the_grammar_allows) {
    struct row {
        std::string body;
        bool complete;
    };
    for (auto const& [body, complete] : std::vector<row>{
             {"0\r\n\r\n", true},
             {"000\r\n\r\n", true},
             {"A\r\n0123456789\r\n0\r\n\r\n", true},
             {"a;x;y=z;q=\"1;2\"\r\n0123456789\r\n0;last\r\n\r\n", true},
             {"1 \r\nx\r\n0\r\n\r\n", true},
             {"0\r\nX: y\r\nZ: w\r\n\r\n", true},
             {"\r\n0\r\n\r\n", false},
             {";x\r\n\r\n", false},
             {"0x1\r\nx\r\n0\r\n\r\n", false},
             {"-1\r\nx\r\n", false},
             {"1\nx\r\n0\r\n\r\n", false},
             {"1\rx", false},
             {"1\r\nxy\r\n", false},
             {"1\r\nx\n0\r\n\r\n", false},
             {"0\r\nX: y\n\r\n", false},
             {"0\r\n\rx", false},
             {"10000000000000000\r\n", false},
         }) {
        for (auto const piece : pieces) {
            auto r = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, piece);
            EXPECT_EQ(r.at(), phase::finished) << body;
            EXPECT_EQ(r.reusable(), complete) << body;
            EXPECT_EQ(r.status(), 200);
        }
    }
}

TEST(response_reader, a_body_in_chunks_of_one_byte_is_read_whole) {
    std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 4000; ++i)
        bytes += "1\r\nx\r\n";
    bytes += "0\r\n\r\n";
    auto r = read(bytes, 1000);
    EXPECT_TRUE(r.reusable());
    EXPECT_EQ(r.take_body().size(), 4000U);
}

TEST(response_reader, interim_responses_are_skipped_eight_at_most) {
    std::string const final_one = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    std::string eight;
    for (int i = 0; i < 8; ++i)
        eight += i % 2 == 0 ? "HTTP/1.1 100 Continue\r\n\r\n" : "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n";
    for (auto const piece : pieces) {
        auto fine = read(eight + final_one, piece);
        EXPECT_EQ(fine.status(), 200);
        EXPECT_TRUE(fine.reusable());
        auto too_many = read(eight + "HTTP/1.1 102 Processing\r\n\r\n" + final_one, piece);
        EXPECT_EQ(too_many.at(), phase::malformed);
    }
    auto only = read(eight);
    EXPECT_EQ(only.at(), phase::header);
    EXPECT_EQ(only.status(), 0);
}

TEST(response_reader, switching_protocols_is_a_final_answer) {
    auto r = read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello");
    EXPECT_EQ(r.at(), phase::finished);
    EXPECT_EQ(r.status(), 101);
    EXPECT_FALSE(r.reusable());
}

TEST(response_reader, what_is_not_http_is_malformed_at_its_first_wrong_byte) {
    for (std::string const wrong :
         {"<html>hello</html>", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK\r\n", "http/1.1 200 OK\r\n", "HTTX", "SSH-2.0-x",
          "\x15\x03\x01", "\r\nHTTP/1.1 200 OK\r\n\r\n", " HTTP/1.1 200 OK\r\n", "ICY 200 OK\r\n", "\n", "\r"}) {
        for (auto const piece : pieces) {
            auto r = read(wrong, piece);
            EXPECT_EQ(r.at(), phase::malformed) << wrong;
            EXPECT_FALSE(r.problem().empty());
            EXPECT_EQ(r.status(), 0);
            EXPECT_FALSE(r.reusable());
        }
    }
}

TEST(response_reader, broken_headers_are_malformed) {
    using namespace std::string_literals;
    for (std::string const& wrong : std::vector<std::string>{
             "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\nX: y\n", "HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n",
             "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"s, "HTTP/1.1 2\0\0 OK\r\n\r\n"s, "HTTP/1.1 20 OK\r\n\r\n",
             "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 -20 OK\r\n\r\n",
             "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.9 200 OK\r\n\r\n",
             "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
             "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
             "HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n"}) {
        for (auto const piece : pieces)
            EXPECT_EQ(read(wrong, piece).at(), phase::malformed) << wrong;
    }
}

TEST(response_reader, contradictory_framing_is_malformed) {
    for (std::string const fields :
         {"Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: 2, 3\r\n", "Content-Length: x\r\n",
          "Content-Length: -1\r\n", "Content-Length: +2\r\n", "Content-Length: 2 2\r\n", "Content-Length:\r\n",
          "Content-Length: 18446744073709551616\r\n", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "Transfer-Encoding: gzip\r\n",
          "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n", "Transfer-Encoding: chunked, gzip\r\n",
          "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: xchunked\r\n"})
        EXPECT_EQ(read("HTTP/1.1 200 OK\r\n" + fields + "\r\nok").at(), phase::malformed) << fields;
    EXPECT_EQ(read("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").at(), phase::malformed);
}

// nginx and Node take none of these from an upstream either, though RFC 9110 §8.6 would let them.
TEST(response_reader, a_length_that_is_told_twice_is_malformed_though_it_is_the_same) {
    for (std::string const status : {"200 OK", "204 No Content", "500 No", "100 Continue"})
        for (std::string const fields :
             {"Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: 2\r\nX: y\r\ncontent-length: 2\r\n",
              "Content-Length: 2, 2\r\n", "Content-Length: 2,2,2\r\n", "Content-Length: 2\r\nContent-Length: 02\r\n",
              "Content-Length: 0\r\nContent-Length: 0\r\n", "Content-Length: 2,\r\n"})
            for (auto const piece : pieces) {
                auto r = read("HTTP/1.1 " + status + "\r\n" + fields + "\r\nok", piece);
                EXPECT_EQ(r.at(), phase::malformed) << status << ": " << fields;
                EXPECT_FALSE(r.has_verdict()) << status << ": " << fields;
                EXPECT_FALSE(r.reusable()) << status << ": " << fields;
                EXPECT_NE(r.problem().find("where its body ends"), std::string_view::npos) << r.problem();
            }
}

TEST(response_reader, headers_are_limited_in_all) {
    std::string const line = "X-Filler: " + std::string(86, 'x') + "\r\n"; // 98 bytes
    auto const with_lines = [&](int n) {
        std::string out = "HTTP/1.1 200 OK\r\n";
        for (int i = 0; i < n; ++i)
            out += line;
        return out + "\r\n";
    };
    for (auto const piece : pieces) {
        EXPECT_EQ(read(with_lines(83), piece).status(), 200); // 8153 bytes
        EXPECT_EQ(read(with_lines(84), piece).at(), phase::malformed);
        EXPECT_EQ(read("HTTP/1.1 200 " + std::string(9000, 'a'), piece).at(), phase::malformed);
        EXPECT_EQ(read("HTTP/1.1 103 Hints\r\nX: " + std::string(5000, 'a') +
                           "\r\n\r\nHTTP/1.1 200 OK\r\nX: " + std::string(5000, 'a') + "\r\n\r\n",
                       piece)
                      .at(),
                  phase::malformed);
    }
}

TEST(response_reader, the_end_before_the_header_is_complete_is_a_cut) {
    for (std::string const start : {"", "HTTP", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n"}) {
        auto r = read(start);
        EXPECT_EQ(r.at(), phase::header);
        EXPECT_EQ(r.begun(), !start.empty());
        EXPECT_EQ(r.end_of_stream(), phase::cut_off);
        EXPECT_FALSE(r.has_verdict());
    }
}

TEST(response_reader, bytes_behind_the_response_end_the_connection) {
    for (auto const piece : pieces) {
        auto r = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", piece);
        EXPECT_EQ(r.status(), 200);
        EXPECT_EQ(r.take_body(), "ok");
        EXPECT_FALSE(r.reusable());
    }
}

TEST(response_reader, tells_what_the_peer_asks_for) {
    auto r = read("HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nRetry-After: 7\r\nKeep-Alive: max=100, Timeout=5\r\n"
                  "Content-Length: 0\r\n\r\n");
    EXPECT_EQ(r.retry_after(), "120");
    EXPECT_EQ(r.keep_alive_timeout(), 5s);
    for (std::string const value : {"", "timeout", "timeout=", "timeout=x", "max=5", "xtimeout=5", "timeout=-1",
                                    "timeout=99999999999", ",,,", "timeout =5"})
        EXPECT_FALSE(
            read("HTTP/1.1 200 OK\r\nKeep-Alive: " + value + "\r\nContent-Length: 0\r\n\r\n").keep_alive_timeout())
            << value;
}

TEST(response_reader, unusual_statuses_are_statuses) {
    EXPECT_EQ(read("HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n").status(), 999);
    EXPECT_EQ(read("HTTP/1.1 299 \xe4\xf6\r\nContent-Length: 0\r\n\r\n").status(), 299);
}

TEST(response_reader, folded_lines_and_empty_values_are_taken) {
    auto r = read("HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(r.status(), 200);
    EXPECT_TRUE(r.reusable());
}

} // namespace
} // namespace klen::webhooks::egress
