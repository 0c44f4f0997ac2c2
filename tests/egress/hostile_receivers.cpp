#include "egress/hostile_receivers.hpp"

#include <openssl/ssl.h>

namespace klen::webhooks::egress {

using namespace std::chrono_literals;
using namespace std::string_literals;
using enum policy::error_class;
using enum behaviour::transport;
using testing::script;
using testing::scripted_receiver;
using testing::test_ca;

namespace {

/// Sends that and waits for the client to close: the verdict is the client's own doing.
script says(std::string bytes) { return script().read_request().send(std::move(bytes)).hang(); }
script says_and_closes(std::string bytes) { return script().read_request().send(std::move(bytes)); }
script says_and_resets(std::string bytes) { return script().read_request().send(std::move(bytes)).pause(30ms).reset(); }
/// In pieces of a kilobyte, so that TLS puts a kilobyte into each record, too.
script says_for_ever(std::string bytes, std::string again) {
    for (std::string const piece = again; again.size() < 1000;)
        again += piece;
    return script().read_request().send(std::move(bytes)).send_for_ever(std::move(again));
}

std::string const ok = "HTTP/1.1 200 OK\r\n";
std::string const ok_empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
std::string const ok_chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::size_t large = 3'000'000; // more than the kernel takes

/// With `fields` in an answer that would otherwise be fine.
script fields(std::string_view lines) { return says(ok + std::string(lines) + "Content-Length: 2\r\n\r\nok"); }
/// Framed by `lines` alone.
script framed(std::string_view lines, std::string_view body = "ok") {
    return says(ok + std::string(lines) + "\r\n" + std::string(body));
}
/// One answered status; the body is short and complete.
script status(int code, std::string_view lines = "") {
    return says("HTTP/1.1 " + std::to_string(code) + " Some\r\n" + std::string(lines) + "Content-Length: 2\r\n\r\nno");
}

behaviours status_lines() {
    std::string const rest = "\r\nContent-Length: 0\r\n\r\n";
    std::vector<behaviour> rows{
        {"no reason phrase", {says("HTTP/1.1 200" + rest)}, none, 200},
        {"an empty reason phrase", {says("HTTP/1.1 200 " + rest)}, none, 200},
        {"a reason phrase in UTF-8", {says("HTTP/1.1 200 \xc3\xa7\x61 va" + rest)}, none, 200},
        {"HTTP/1.0", {says("HTTP/1.0 200 OK" + rest)}, none, 200},
        {"a reason phrase of 9 KB", {says("HTTP/1.1 200 " + std::string(9000, 'x') + rest)}, malformed_response},
        {"an endless reason phrase", {says_for_ever("HTTP/1.1 200 ", std::string(1000, 'x'))}, malformed_response},
        {"the bytes of a TLS alert", {says("\x15\x03\x01\x00\x02\x02\x46"s)}, malformed_response},
        {"an HTTP/2 settings frame",
         {says("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"s)},
         malformed_response},
        {"NUL in the reason phrase", {says("HTTP/1.1 200 O\0K"s + rest)}, malformed_response},
        {"endless zeros", {says_for_ever("", std::string(1000, '\0'))}, malformed_response},
        {"a line feed alone", {says("HTTP/1.1 200 OK\nContent-Length: 0\n\n")}, malformed_response},
        {"a carriage return alone", {says("HTTP/1.1 200 OK\rContent-Length: 0\r\r")}, malformed_response},
    };
    for (std::string const line : {"<html><body>It works!</body></html>",
                                   "HTTP/2.0 200 OK",
                                   "HTTP/2 200",
                                   "HTTP/1.2 200 OK",
                                   "HTTP/3 200",
                                   "HTTP/0.9 200 OK",
                                   "HTTP/1.10 200 OK",
                                   "HTTP/11 200 OK",
                                   "HTTP/1,1 200 OK",
                                   "http/1.1 200 OK",
                                   " HTTP/1.1 200 OK",
                                   "HTTP /1.1 200 OK",
                                   "HTTP/1.1  200 OK",
                                   "HTTP/1.1\t200 OK",
                                   "HTTP/1.1200 OK",
                                   "HTTP/1.1 200OK",
                                   "HTTP/1.1 2x0 OK",
                                   "HTTP/1.1 20 OK",
                                   "HTTP/1.1 2000 OK",
                                   "HTTP/1.1 099 Low",
                                   "HTTP/1.1 000 None",
                                   "HTTP/1.1 -200 OK",
                                   "HTTP/1.1 +200 OK",
                                   "HTTP/1.1 0xc8 OK",
                                   "HTTP/1.1 OK 200",
                                   "HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK",
                                   "ICY 200 OK",
                                   "RTSP/1.0 200 OK",
                                   "SSH-2.0-OpenSSH_9.2",
                                   "220 mail.example.com ESMTP",
                                   "-ERR unknown command 'POST'",
                                   "+OK POP3 ready",
                                   "GET / HTTP/1.1",
                                   "HTTP/1.1",
                                   "\xef\xbb\xbfHTTP/1.1 200 OK"})
        rows.push_back({"\"" + line + "\"", {says(line + rest)}, malformed_response});
    rows.push_back({"an empty line first", {says("\r\n" + ok_empty)}, malformed_response});
    return {"status lines", std::move(rows)};
}

behaviours statuses() {
    std::vector<behaviour> rows;
    for (int const code : {200, 201, 202, 203, 206, 207, 208, 226, 299})
        rows.push_back({std::to_string(code), {status(code)}, none, code});
    for (int const code :
         {400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 418, 421, 422, 423,
          425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 599, 600, 999})
        rows.push_back({std::to_string(code), {status(code, "Retry-After: 5\r\n")}, http_status, code});
    for (int const code : {300, 301, 302, 303, 305, 307, 308})
        rows.push_back(behaviour{std::to_string(code) + " to another place",
                                 {status(code, "Location: http://127.0.0.1/other\r\n")},
                                 http_status,
                                 code}
                           .saying("not followed"));
    rows.push_back({"302 to itself", {status(302, "Location: /hook\r\n")}, http_status, 302});
    rows.push_back({"304", {says("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n")}, http_status, 304});
    rows.push_back({"204 with a body", {says("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok")}, none, 204});
    rows.push_back({"204 without a length", {says("HTTP/1.1 204 No Content\r\n\r\n")}, none, 204});
    rows.push_back(
        {"204 that says chunked", {says("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n")}, none, 204});
    rows.push_back({"205 with a body", {status(205)}, none, 205});
    return {"statuses", std::move(rows)};
}

behaviours framing() {
    std::string const chunk = "2\r\nok\r\n0\r\n\r\n";
    std::string const long_line = "X-Long: " + std::string(9000, 'x') + "\r\n";
    std::string many;
    for (int i = 0; i < 500; ++i)
        many += "X-Many-" + std::to_string(i) + ": yes\r\n";
    std::vector<behaviour> rows{
        // Where the body ends: said twice, or in ways that nobody can know.
        {"two lengths", {framed("Content-Length: 2\r\nContent-Length: 3\r\n")}, malformed_response},
        {"two lengths in one field", {framed("Content-Length: 2, 3\r\n")}, malformed_response},
        behaviour{"the same length twice", {framed("Content-Length: 2\r\nContent-Length: 2\r\n")}, malformed_response}
            .saying("more than once"),
        behaviour{"the same length twice in one field", {framed("Content-Length: 2, 2\r\n")}, malformed_response}
            .saying("more than once"),
        {"length and chunked",
         {framed("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", chunk)},
         malformed_response},
        {"chunked and length",
         {framed("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", chunk)},
         malformed_response},
        {"gzip as the coding", {framed("Transfer-Encoding: gzip\r\n")}, malformed_response},
        {"gzip with a length", {framed("Transfer-Encoding: gzip\r\nContent-Length: 2\r\n")}, malformed_response},
        {"gzip, chunked", {framed("Transfer-Encoding: gzip, chunked\r\n", chunk)}, malformed_response},
        {"chunked, gzip", {framed("Transfer-Encoding: chunked, gzip\r\n", chunk)}, malformed_response},
        {"chunked, chunked", {framed("Transfer-Encoding: chunked, chunked\r\n", chunk)}, malformed_response},
        {"chunked twice",
         {framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunk)},
         malformed_response},
        {"identity as the coding", {framed("Transfer-Encoding: identity\r\n")}, malformed_response},
        {"xchunked", {framed("Transfer-Encoding: xchunked\r\n", chunk)}, malformed_response},
        {"an empty coding", {framed("Transfer-Encoding:\r\n")}, malformed_response},
        {"chunked with a parameter", {framed("Transfer-Encoding: chunked;q=1\r\n", chunk)}, malformed_response},
        {"chunked in HTTP/1.0",
         {says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)},
         malformed_response},
        {"CHUNKED in capitals", {framed("TRANSFER-ENCODING: CHUNKED\r\n", chunk)}, none, 200},
        // No number.
        {"a negative length", {framed("Content-Length: -1\r\n")}, malformed_response},
        {"a signed length", {framed("Content-Length: +2\r\n")}, malformed_response},
        {"a length in hex", {framed("Content-Length: 0x2\r\n")}, malformed_response},
        {"a length with a unit", {framed("Content-Length: 2 bytes\r\n")}, malformed_response},
        {"a length with a point", {framed("Content-Length: 2.0\r\n")}, malformed_response},
        {"an empty length", {framed("Content-Length:\r\n")}, malformed_response},
        {"a length beyond 64 bits", {framed("Content-Length: 99999999999999999999\r\n")}, malformed_response},
        // Field lines.
        {"a space before the colon", {fields("X-Name : x\r\n")}, malformed_response},
        {"a space before the length's colon", {framed("Content-Length : 2\r\n")}, malformed_response},
        {"no colon", {fields("X-Name\r\n")}, malformed_response},
        {"no name", {fields(": x\r\n")}, malformed_response},
        {"a space in the name", {fields("X Name: x\r\n")}, malformed_response},
        {"a name in UTF-8", {fields("X-N\xc3\xa4me: x\r\n")}, malformed_response},
        {"a control character in the name", {fields("X-\x01: x\r\n")}, malformed_response},
        {"a first field that is folded", {framed(" folded\r\nContent-Length: 2\r\n")}, malformed_response},
        {"NUL in a value", {fields("X-Name: a\0b\r\n"s)}, malformed_response},
        {"a control character in a value", {fields("X-Name: a\x01z\r\n")}, malformed_response},
        {"a carriage return in a value", {fields("X-Name: a\rb\r\n")}, malformed_response},
        {"a line feed in a value", {fields("X-Name: a\nb: c\r\n")}, malformed_response},
        {"line feeds end the lines", {says("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")}, malformed_response},
        {"a line feed ends the header", {says(ok + "Content-Length: 2\r\n\nok")}, malformed_response},
        {"a value in UTF-8", {fields("X-Name: caf\xc3\xa9\r\n")}, none, 200},
        {"an empty value", {fields("X-Name:\r\n")}, none, 200},
        {"a value between tabs", {fields("X-Name:\t x \t\r\n")}, none, 200},
        // Sizes.
        behaviour{"a field of 9 KB", {fields(long_line)}, malformed_response}.saying("too large"),
        behaviour{"500 fields", {fields(many)}, malformed_response}.saying("too large"),
        {"an endless field", {says_for_ever(ok + "X-Long: ", std::string(1000, 'x'))}, malformed_response},
        {"an endless name", {says_for_ever(ok, std::string(1000, 'x'))}, malformed_response},
        behaviour{"endless fields", {says_for_ever(ok, "X-Filler: xxxxxxxxx\r\n")}, malformed_response}.saying(
            "too large"),
        behaviour{"endless cookies", {says_for_ever(ok, "Set-Cookie: a=b\r\n")}, malformed_response}.saying(
            "too large"),
        // What asks for things that are not done.
        {"Upgrade beside a 200", {fields("Connection: upgrade\r\nUpgrade: h2c\r\n")}, none, 200},
        {"a compression that nobody asked for", {fields("Content-Encoding: gzip\r\n")}, none, 200},
        {"Alt-Svc and Refresh", {fields("Alt-Svc: h2=\":1\"\r\nRefresh: 0; url=http://127.0.0.1/\r\n")}, none, 200},
        {"a strange Keep-Alive", {fields("Keep-Alive: timeout=99999999999, max=-1, ,,=\r\n")}, none, 200},
        {"a strange Retry-After",
         {says("HTTP/1.1 503 Busy\r\nRetry-After: -99999999999999999999\r\nContent-Length: 0\r\n\r\n")},
         http_status,
         503},
    };
    return {"framing", std::move(rows)};
}

behaviours bodies() {
    auto const filler = std::string(1000, 'x');
    std::vector<behaviour> rows{
        // The verdict came with the header; what is wrong with the body changes nothing.
        {"more than announced", {says(ok + "Content-Length: 2\r\n\r\nok and more")}, none, 200},
        {"less than announced, then closed", {says_and_closes(ok + "Content-Length: 100\r\n\r\nok")}, none, 200},
        {"less than announced, then reset", {says_and_resets(ok + "Content-Length: 100\r\n\r\nok")}, none, 200},
        {"less than announced, then half-closed",
         {script().read_request().send(ok + "Content-Length: 100\r\n\r\nok").half_close().hang()},
         none,
         200},
        behaviour{"less than announced, then nothing", {says(ok + "Content-Length: 100\r\n\r\nok")}, none, 200}
            .until_the_deadline(),
        behaviour{"nothing of what was announced", {says(ok + "Content-Length: 100\r\n\r\n")}, none, 200}
            .until_the_deadline(),
        behaviour{"a failure whose body never ends",
                  {says("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nno")},
                  http_status,
                  500}
            .until_the_deadline(),
        {"until the end of the connection", {says_and_closes(ok + "\r\nok")}, none, 200},
        {"until a reset", {says_and_resets(ok + "\r\nok")}, none, 200},
        behaviour{"until an end that never comes", {says(ok + "\r\nok")}, none, 200}.until_the_deadline(),
        behaviour{"one byte at a time, for ever",
                  {script().read_request().send(ok + "Content-Length: 1000\r\n\r\n").trickle(filler, tick)},
                  none,
                  200}
            .until_the_deadline(),
        behaviour{
            "chunks of a byte at a time, for ever",
            {script().read_request().send(ok_chunked).trickle("1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n" + filler, 12 * tick)},
            none,
            200}
            .until_the_deadline(),
        {"endless, announced as a terabyte",
         {says_for_ever(ok + "Content-Length: 1099511627776\r\n\r\n", filler)},
         none,
         200},
        {"endless, announced as 2^64 - 1",
         {says_for_ever(ok + "Content-Length: 18446744073709551615\r\n\r\n", filler)},
         none,
         200},
        {"endless until the connection's end", {says_for_ever(ok + "\r\n", filler)}, none, 200},
        {"endless chunks", {says_for_ever(ok_chunked, "4\r\nabcd\r\n")}, none, 200},
        {"endless chunks of a byte", {says_for_ever(ok_chunked, "1\r\nx\r\n")}, none, 200},
        {"an endless failure", {says_for_ever("HTTP/1.1 500 No\r\n\r\n", filler)}, http_status, 500},
        {"an endless chunk extension", {says_for_ever(ok_chunked + "1;x=", filler)}, none, 200},
        {"an endless chunk size", {says_for_ever(ok_chunked, "0")}, none, 200},
        {"an endless trailer", {says_for_ever(ok_chunked + "0\r\nX-Trailer: ", filler)}, none, 200},
        {"endless trailers", {says_for_ever(ok_chunked + "0\r\n", "X-Trailer: yes\r\n")}, none, 200},
        {"a gzip bomb",
         {says_for_ever(ok + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
                        "8\r\n\x1f\x8b\x08\0\0\0\0\0\r\n"s)},
         none,
         200},
        {"all of it twice", {says(ok_empty + ok_empty)}, none, 200},
        {"a 500 behind the 200", {says(ok_empty + "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")}, none, 200},
    };
    for (std::string const chunks :
         {"zz\r\n", "-1\r\nx", "+1\r\nx", "0x1\r\nx", "10000000000000000\r\nx", "ffffffffffffffff0\r\n", "1\rx",
          "1\nx\n0\n\n", "\r\n\r\n", "1\r\nxy\r\n", "1\r\nx0\r\n\r\n", " 1\r\nx\r\n"})
        rows.push_back({"bad chunks, number " + std::to_string(rows.size()), {says(ok_chunked + chunks)}, none, 200});
    // Each byte of framing costs a record of its own: 22 times as much is read, and no more of it kept.
    behaviour dear{"an endless chunk size, a byte in each record",
                   {script().read_request().send(ok_chunked).send_for_ever("0")},
                   none,
                   200,
                   tls};
    dear.bytes_max = 1 << 20;
    rows.push_back(dear);
    rows.push_back({"NUL in a chunk extension", {says(ok_chunked + "1;\0\r\nx\r\n0\r\n\r\n"s)}, none, 200});
    rows.push_back({"NUL in a trailer", {says(ok_chunked + "0\r\nX: \0\r\n\r\n"s)}, none, 200});
    rows.push_back(
        behaviour{"a chunk of 2^64 - 1", {says(ok_chunked + "ffffffffffffffff\r\nx")}, none, 200}.until_the_deadline());
    rows.push_back({"no last chunk, then closed", {says_and_closes(ok_chunked + "2\r\nok\r\n")}, none, 200});
    rows.push_back(
        behaviour{"no last chunk, then nothing", {says(ok_chunked + "2\r\nok\r\n")}, none, 200}.until_the_deadline());
    rows.push_back(
        {"a length in the trailer", {says(ok_chunked + "2\r\nok\r\n0\r\nContent-Length: 5\r\n\r\n")}, none, 200});
    return {"bodies", std::move(rows)};
}

behaviours interim_responses() {
    std::string const go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    std::string const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    auto const times = [](int n, std::string const& what) {
        std::string out;
        for (int i = 0; i < n; ++i)
            out += what;
        return out;
    };
    std::vector<behaviour> rows{
        {"100 before 200", {says(go_on + ok_empty)}, none, 200},
        {"100, 102, 103, 199 before 200",
         {says(go_on + "HTTP/1.1 102 Processing\r\n\r\n" + hints + "HTTP/1.1 199 Odd\r\n\r\n" + ok_empty)},
         none,
         200},
        {"103, a pause, then 503",
         {script().read_request().send(hints).pause(50ms).send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").hang()},
         http_status,
         503},
        {"eight", {says(times(8, go_on) + ok_empty)}, none, 200},
        behaviour{"nine", {says(times(9, go_on) + ok_empty)}, malformed_response}.saying("interim"),
        {"endless", {says_for_ever("", go_on)}, malformed_response},
        {"endless hints", {says_for_ever("", hints)}, malformed_response},
        behaviour{"eight, more than 8 KB together",
                  {says(times(8, "HTTP/1.1 103 Hints\r\nLink: " + std::string(1100, 'x') + "\r\n\r\n") + ok_empty)},
                  malformed_response}
            .saying("too large"),
        {"one of 9 KB",
         {says("HTTP/1.1 103 Hints\r\nLink: " + std::string(9000, 'x') + "\r\n\r\n" + ok_empty)},
         malformed_response},
        {"100 with a length", {says("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + ok_empty)}, none, 200},
        {"100 with two lengths",
         {says("HTTP/1.1 100 Go\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + ok_empty)},
         malformed_response},
        {"100 with the same length twice",
         {says("HTTP/1.1 100 Go\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n" + ok_empty)},
         malformed_response},
        {"100 with a length and a coding",
         {says("HTTP/1.1 100 Go\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + ok_empty)},
         malformed_response},
        behaviour{"100 and no more", {says(go_on)}, timeout}.until_the_deadline(),
        {"100, then closed", {says_and_closes(go_on)}, connection_reset},
        {"100, then reset", {says_and_resets(go_on)}, connection_reset},
        {"100, then no HTTP", {says(go_on + "<html>\r\n\r\n")}, malformed_response},
        {"100 in HTTP/1.0", {says("HTTP/1.0 100 Continue\r\n\r\n" + ok_empty)}, none, 200},
        behaviour{"100, one byte at a time", {script().read_request().trickle(times(40, go_on), tick)}, timeout}
            .until_the_deadline(),
        {"101",
         {says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")},
         http_status,
         101},
        {"101 and frames for ever",
         {says_for_ever("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "\x81\x05hello")},
         http_status,
         101},
        {"101 behind 100", {says(go_on + "HTTP/1.1 101 Switching Protocols\r\n\r\n")}, http_status, 101},
    };
    return {"interim responses", std::move(rows)};
}

behaviours waiting() {
    std::vector<behaviour> rows{
        behaviour{"accepts and does nothing", {script().hang()}, timeout}.until_the_deadline(),
        behaviour{"reads the request and does nothing", {script().read_request().hang()}, timeout}.until_the_deadline(),
        behaviour{"reads nothing of a large request", {script().pause(too_late)}, timeout}
            .until_the_deadline()
            .with_body(large),
        behaviour{"reads a little of a large request", {script().read(10'000).pause(too_late)}, timeout}
            .until_the_deadline()
            .with_body(large),
        behaviour{"stops in the status line", {says("HTTP/1.1 2")}, timeout}.until_the_deadline(),
        behaviour{"stops behind the status line", {says(ok)}, timeout}.until_the_deadline(),
        behaviour{"stops in a field", {says(ok + "Content-Le")}, timeout}.until_the_deadline(),
        behaviour{"stops before the last line feed", {says(ok + "Content-Length: 0\r\n\r")}, timeout}
            .until_the_deadline(),
        behaviour{"a byte each tick in the status line",
                  {script().read_request().trickle("HTTP/1.1 200 " + std::string(1000, 'x'), tick)},
                  timeout}
            .until_the_deadline(),
        behaviour{"a byte each tick in a field",
                  {script().read_request().send(ok).trickle("X-Slow: " + std::string(1000, 'x'), tick)},
                  timeout}
            .until_the_deadline(),
        behaviour{"a field each tick",
                  {[] {
                      auto out = script().read_request().send(ok);
                      for (int i = 0; i < 300; ++i)
                          out.send("X-Slow: x\r\n").pause(tick);
                      return out;
                  }()},
                  timeout}
            .until_the_deadline(),
        {"answers in the last moment that counts",
         {script().read_request().pause(deadline * 4 / 7).send(ok_empty).hang()},
         none,
         200},
        behaviour{"answers too late", {script().read_request().pause(too_late).send(ok_empty).hang()}, timeout}
            .until_the_deadline(),
        behaviour{"half-closes too late", {script().read_request().pause(too_late)}, timeout}.until_the_deadline(),
        {"a complete answer, a byte each 2 ms", {script().read_request().trickle(ok_empty, 2ms).hang()}, none, 200},
    };
    return {"waiting", std::move(rows)};
}

behaviours cuts() {
    std::string const answer = ok + "Content-Length: 4\r\n\r\nbody";
    std::vector<behaviour> rows{
        {"resets at once", {script().reset()}, connection_reset},
        {"closes at once", {script()}, connection_reset},
        {"half-closes at once", {script().half_close().hang()}, connection_reset},
        {"resets after some of the request", {script().read(20).reset()}, connection_reset},
        behaviour{"closes after some of a large request", {script().read(20)}, connection_reset}.with_body(large),
        behaviour{"resets after some of a large request", {script().read(20).reset()}, connection_reset}.with_body(
            large),
        behaviour{
            "half-closes after some of a large request", {script().read(20).half_close().hang()}, connection_reset}
            .with_body(large),
        {"closes after the request", {script().read_request()}, connection_reset},
        {"resets after the request", {script().read_request().reset()}, connection_reset},
        {"half-closes after the request", {script().read_request().half_close().hang()}, connection_reset},
        {"closes after a moment", {script().read_request().pause(100ms)}, connection_reset},
    };
    // At each byte of an answer: a verdict once its header is there, and not before.
    auto const header_end = answer.find("\r\n\r\n") + 4;
    for (std::size_t n = 1; n <= answer.size(); n += n + 4 < header_end || n >= header_end ? 3 : 1) {
        bool const verdict = n >= header_end;
        auto const expected = verdict ? none : connection_reset;
        int const code = verdict ? 200 : 0;
        auto const at = " after byte " + std::to_string(n);
        rows.push_back({"closes" + at, {says_and_closes(answer.substr(0, n))}, expected, code});
        rows.push_back({"resets" + at, {says_and_resets(answer.substr(0, n))}, expected, code});
    }
    return {"cuts", std::move(rows)};
}

behaviours early_answers() {
    std::vector<behaviour> rows;
    for (int const code : {200, 401, 413, 503}) {
        auto const expected = code == 200 ? none : http_status;
        auto const refusal =
            "HTTP/1.1 " + std::to_string(code) + " Early\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        auto const name = std::to_string(code);
        rows.push_back(
            behaviour{name + ", then closes", {script().read(100).send(refusal)}, expected, code}.with_body(large));
        rows.push_back(
            behaviour{name + ", then resets", {script().read(100).send(refusal).pause(50ms).reset()}, expected, code}
                .with_body(large));
        rows.push_back(
            behaviour{name + ", then reads no more", {script().read(100).send(refusal).pause(too_late)}, expected, code}
                .with_body(large));
        rows.push_back(
            behaviour{name + ", then reads the rest", {script().read(100).send(refusal).hang()}, expected, code}
                .with_body(large));
        rows.push_back(
            behaviour{name + " before a byte was read", {script().send(refusal).hang()}, expected, code}.with_body(
                large));
        rows.push_back({name + " to a small request, unread", {script().send(refusal).hang()}, expected, code});
    }
    rows.push_back(behaviour{
        "100, then 413",
        {script().read(100).send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").hang()},
        http_status,
        413}
                       .with_body(large));
    rows.push_back(behaviour{"401 of a peer that would keep the connection",
                             {script().read(100).send("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").hang()},
                             http_status,
                             401}
                       .with_body(large));
    rows.push_back(
        behaviour{"no HTTP", {script().read(100).send("go away\r\n\r\n").hang()}, malformed_response}.with_body(large));
    rows.push_back(
        behaviour{"half an answer, then closes", {script().read(100).send("HTTP/1.1 413 N")}, connection_reset}
            .with_body(large));
    rows.push_back(behaviour{
        "half an answer, then reads no more", {script().read(100).send("HTTP/1.1 413 N").pause(too_late)}, timeout}
                       .until_the_deadline()
                       .with_body(large));
    return {"early answers", std::move(rows)};
}

/// The script of the first connection goes on after a good answer that keeps it alive.
behaviours kept_connections() {
    auto const second = script().answer(202);
    auto const row = [&](std::string name, script first, policy::error_class error, int code, int connections) {
        behaviour out{std::move(name), {std::move(first), second}, error, code};
        out.kept_alive = true;
        out.connections_made = connections;
        return out;
    };
    std::vector<behaviour> rows{
        row("closed while idle", script(), none, 202, 2),
        row("half-closed while idle", script().half_close().hang(), none, 202, 2),
        row("reset while idle", script().reset(), none, 202, 2),
        row("closed when the next request comes", script().read(1), none, 202, 2),
        row("reset when the next request comes", script().read(1).reset(), none, 202, 2),
        row("closed when the next request was read", script().read_request(), none, 202, 2),
        row("reset when the next request was read", script().read_request().reset(), none, 202, 2),
        row("half-closed when the next request was read", script().read_request().half_close().hang(), none, 202, 2),
        row("bytes while idle", script().send("HTTP/1.1 200 OK\r\n").hang(), none, 202, 2),
        row("a whole answer while idle", script().send(ok_empty).hang(), none, 202, 2),
        row("408 while idle, then closed", script().send("HTTP/1.1 408 Slow\r\nConnection: close\r\n\r\n"), none, 202,
            2),
        // Whatever was answered is the answer.
        row("half an answer to the next request", script().read_request().send("HTTP/1.1 2"), connection_reset, 0, 1),
        row("half an answer, then reset", script().read_request().send("HTTP/1.1 2").pause(30ms).reset(),
            connection_reset, 0, 1),
        row("no HTTP for the next request", script().read_request().send("x\r\n\r\n").hang(), malformed_response, 0, 1),
        row("500 for the next request", script().answer(500), http_status, 500, 1),
        row("204 for the next request", script().read_request().send("HTTP/1.1 204 No\r\n\r\n").hang(), none, 204, 1),
        row("100, then closed", script().read_request().send("HTTP/1.1 100 Go\r\n\r\n"), connection_reset, 0, 1),
    };
    auto silent = row("silence for the next request", script().read_request().hang(), timeout, 0, 1);
    silent.at_deadline = true;
    rows.push_back(silent);
    auto dead = row("closed, and the fresh one, too", script().read(1), connection_reset, 0, 2);
    dead.connections[1] = script().read_request();
    rows.push_back(dead);
    auto hung = row("closed, and the fresh one hangs", script().read(1), timeout, 0, 2);
    hung.connections[1] = script().read_request().hang();
    hung.at_deadline = true;
    rows.push_back(hung);
    return {"kept connections", std::move(rows)};
}

using options = scripted_receiver::options;

/// A TLS server with another certificate, or another habit.
behaviour certificate(std::string name, std::function<testing::tls_identity(test_ca const&)> issue, std::string message,
                      std::string host = "") {
    behaviour out{std::move(name), {script().answer(200)}, tls_failure};
    out.says = std::move(message);
    out.host = std::move(host);
    out.tls = [issue = std::move(issue)](test_ca const& ca) { return options{.identity = issue(ca)}; };
    return out;
}

behaviour habit(std::string name, script what, policy::error_class error, int code, void (*change)(options&)) {
    behaviour out{std::move(name), {std::move(what)}, error, code};
    out.tls = [change](test_ca const& ca) {
        options with{.identity = ca.issue()};
        change(with);
        return with;
    };
    return out;
}

behaviour instead_of_handshake(std::string name, script what, policy::error_class error) {
    behaviour out{std::move(name), {std::move(what)}, error};
    out.at_deadline = error == timeout;
    out.no_handshake = true;
    return out;
}

behaviours tls_faults() {
    std::string const record = "\x16\x03\x03";                               // handshake, TLS 1.2
    std::string const alert = "\x15\x03\x03" + std::string("\0\x02\x02", 3); // fatal
    static test_ca const other;
    std::vector<behaviour> rows{
        certificate(
            "expired", [](auto& ca) { return ca.issue({.valid_from = -48h, .valid_until = -24h}); }, "expired"),
        certificate(
            "not valid yet", [](auto& ca) { return ca.issue({.valid_from = 24h, .valid_until = 48h}); },
            "not valid yet"),
        certificate(
            "another host's", [](auto& ca) { return ca.issue({.names = {"example.com"}}); }, "host name mismatch",
            "localhost"),
        certificate(
            "another address's", [](auto& ca) { return ca.issue({.addresses = {"127.0.0.9"}}); },
            "IP address mismatch"),
        certificate(
            "the host's name as a suffix", [](auto& ca) { return ca.issue({.names = {"x.localhost"}}); },
            "host name mismatch", "localhost"),
        certificate(
            "a wildcard over a single label", [](auto& ca) { return ca.issue({.names = {"*"}}); }, "host name mismatch",
            "localhost"),
        certificate(
            "the address as a name", [](auto& ca) { return ca.issue({.names = {"127.0.0.1"}, .addresses = {}}); },
            "IP address mismatch"),
        certificate(
            "no name but the common one", [](auto& ca) { return ca.issue({.names = {}, .addresses = {}}); }, "mismatch",
            "localhost"),
        certificate(
            "self-signed", [](auto&) { return testing::self_signed(); }, "self-signed"),
        certificate(
            "an unknown authority's", [](auto&) { return other.issue(); }, "unknown authority"),
        certificate(
            "an incomplete chain", [](auto& ca) { return ca.issue_through_intermediate(false); }, "authority"),
        certificate(
            "an expired intermediate",
            [](auto& ca) { return ca.issue_through_intermediate(true, {.valid_from = -48h, .valid_until = -24h}); },
            "expired"),
        certificate(
            "for clients only", [](auto& ca) { return ca.issue({.purpose = "clientAuth"}); }, "purpose"),
        certificate(
            "a key of 1024 bits", [](auto& ca) { return ca.issue({.rsa_bits = 1024}); }, ""),
        habit("TLS 1.0", script().answer(200), tls_failure, 0, [](options& o) { o.tls_version_max = TLS1_VERSION; }),
        habit("TLS 1.1", script().answer(200), tls_failure, 0, [](options& o) { o.tls_version_max = TLS1_1_VERSION; }),
        habit("TLS 1.2", script().answer(200), none, 200, [](options& o) { o.tls_version_max = TLS1_2_VERSION; }),
        habit("no sessions", script().answer(200), none, 200, [](options& o) { o.refuses_sessions = true; }),
        habit("wants a certificate of ours", script().answer(200), tls_failure, 0,
              [](options& o) { o.wants_client_certificate = true; }),
        habit("wants a certificate of ours in TLS 1.2", script().answer(200), tls_failure, 0,
              [](options& o) {
                  o.wants_client_certificate = true;
                  o.tls_version_max = TLS1_2_VERSION;
              }),
        habit("no close_notify behind the answer", says_and_closes(ok + "\r\nok"), none, 200,
              [](options& o) { o.without_close_notify = true; }),
        habit("no close_notify in the body", says_and_closes(ok + "Content-Length: 9\r\n\r\nok"), none, 200,
              [](options& o) { o.without_close_notify = true; }),
        habit("no close_notify in the header", says_and_closes(ok), connection_reset, 0,
              [](options& o) { o.without_close_notify = true; }),
        habit("no close_notify and no answer", script().read_request(), connection_reset, 0,
              [](options& o) { o.without_close_notify = true; }),
        habit("bytes that are no record instead of an answer",
              script().read_request().send_raw("HTTP/1.1 200 OK\r\n\r\n").hang(), tls_failure, 0, [](options&) {}),
        habit(
            "a record that cannot be opened instead of an answer",
            script().read_request().send_raw("\x17\x03\x03"s + std::string("\0\x20", 2) + std::string(32, 'x')).hang(),
            tls_failure, 0, [](options&) {}),
        habit("a record that cannot be opened in the body",
              script()
                  .read_request()
                  .send(ok + "Content-Length: 9\r\n\r\nok")
                  .pause(20ms)
                  .send_raw("\x17\x03\x03"s + std::string("\0\x20", 2) + std::string(32, 'x'))
                  .hang(),
              none, 200, [](options&) {}),
        // Instead of the handshake.
        instead_of_handshake("HTTP", script().read(1).send("HTTP/1.1 400 Bad Request\r\n\r\n").hang(), tls_failure),
        instead_of_handshake("a mail server's greeting", script().send("220 mail.example.com ESMTP\r\n").hang(),
                             tls_failure),
        instead_of_handshake("zeros", script().read(1).send(std::string(100, '\0')).hang(), tls_failure),
        instead_of_handshake("zeros for ever", script().read(1).send_for_ever(std::string(1000, '\0')), tls_failure),
        instead_of_handshake("noise", script().read(1).send("\x8f\x1d\xe2\x07\x55\xaa\x39\xc0\x7e\x11\x93\x42").hang(),
                             tls_failure),
        instead_of_handshake("a record with noise inside",
                             script().read(1).send(record + "\x01\x01" + std::string(257, 'x')).hang(), tls_failure),
        instead_of_handshake("a record that is too large",
                             script().read(1).send(record + "\xff\xff" + std::string(65535, 'x')).hang(), tls_failure),
        instead_of_handshake("an empty record", script().read(1).send(record + std::string("\0\0", 2)).hang(), timeout),
        instead_of_handshake("empty records for ever", script().read(1).send_for_ever(record + std::string("\0\0", 2)),
                             tls_failure),
        instead_of_handshake("data before the handshake",
                             script().read(1).send("\x17\x03\x03"s + std::string("\0\x05", 2) + "hello").hang(),
                             tls_failure),
        instead_of_handshake("half a record", script().read(1).send(record + "\x01").hang(), timeout),
        instead_of_handshake("a record, a byte each tick",
                             script().read(1).trickle(record + "\x3f\xff" + std::string(1000, '\x02'), tick), timeout),
        instead_of_handshake("an alert: handshake failure", script().read(1).send(alert + "\x28").hang(), tls_failure),
        instead_of_handshake("an alert: unrecognized name", script().read(1).send(alert + "\x70").hang(), tls_failure),
        instead_of_handshake("an alert: internal error", script().read(1).send(alert + "\x50").hang(), tls_failure),
        instead_of_handshake("an alert that nobody knows", script().read(1).send(alert + "\xee").hang(), tls_failure),
        instead_of_handshake("nothing", script().hang(), timeout),
        instead_of_handshake("a close", script().read(1), connection_reset),
        instead_of_handshake("a close at once", script(), connection_reset),
        instead_of_handshake("a reset", script().read(1).reset(), connection_reset),
        instead_of_handshake("a half-close", script().read(1).half_close().hang(), connection_reset),
    };
    behaviour silence = habit("silence", script().read_request().hang(), timeout, 0, [](options&) {});
    silence.at_deadline = true;
    rows.push_back(silence);
    return {"tls", std::move(rows)};
}

} // namespace

std::vector<behaviours> const& hostile_receivers() {
    static std::vector<behaviours> const all{status_lines(),      statuses(),  framing(), bodies(),
                                             interim_responses(), waiting(),   cuts(),    early_answers(),
                                             kept_connections(),  tls_faults()};
    return all;
}

} // namespace klen::webhooks::egress
