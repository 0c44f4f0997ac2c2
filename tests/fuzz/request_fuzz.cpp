// The head of a request, its framing, its target and a chunked body: everything that is read of a client before it is
// known who it is.

#include "api/chunk_decoder.hpp"
#include "api/credentials.hpp"
#include "api/request_guard.hpp"
#include "api/request_head.hpp"
#include "api/request_target.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace klen::webhooks::api;

void require(bool holds) {
    if (!holds)
        std::abort();
}

struct decoded {
    chunk_decoder::outcome what = chunk_decoder::outcome::need_more;
    std::size_t used = 0;
    std::string body;
};

decoded decode(std::string_view in, std::size_t step) {
    constexpr std::size_t body_max = 4096;
    chunk_decoder decoder(body_max);
    decoded out;
    while (out.used < in.size() && out.what == chunk_decoder::outcome::need_more) {
        auto const got = decoder.feed(in.substr(out.used, step), out.body);
        require(got.used <= step);
        out.used += got.used;
        out.what = got.what;
    }
    require(out.body.size() <= body_max);
    return out;
}

/// However the bytes are cut, the outcome is the same.
void check_chunks(std::string_view in) {
    if (in.empty())
        return;
    auto const whole = decode(in, in.size());
    auto const dripped = decode(in, 1);
    require(whole.what == dripped.what && whole.used == dripped.used && whole.body == dripped.body);
}

/// What passed all judges has exactly one reading.
void check_accepted(request_head const& head, framing const& how) {
    require(!(how.chunked && how.content_length != 0));
    require(how.chunked == (head.count("Transfer-Encoding") == 1));
    require(head.count("Content-Length") + head.count("Transfer-Encoding") <= 1);
    require(head.count("Host") == 1 || head.version == 10);
    for (auto const& field : head.fields) {
        require(!field.name.empty());
        require(field.name.find_first_of(" \t\r\n:") == std::string_view::npos);
        require(field.value.find_first_of("\r\n") == std::string_view::npos);
    }
    if (auto const target = parse_request_target(head.target)) {
        require(target->path == "*" || target->path.front() == '/');
        require(target->path.find('\0') == std::string::npos);
    }
    if (auto const key = find_key(head))
        require(!key->empty());
    (void)is_json_media_type(head.find("Content-Type").value_or(""));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const input(reinterpret_cast<char const*>(data), size);
    head_scanner scanner;
    if (scanner.scan(input) != head_scanner::outcome::complete) {
        check_chunks(input);
        return 0;
    }
    auto const raw = input.substr(0, scanner.size());
    check_chunks(input.substr(raw.size()));
    request_head head;
    if (refuse_raw_head(raw) || parse_request_head(raw, head))
        return 0;
    auto const framed = judge_framing(head);
    if (auto const* how = std::get_if<framing>(&framed))
        check_accepted(head, *how);
    return 0;
}
