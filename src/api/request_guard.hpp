#pragma once

#include "request_head.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

/// What a request's head must not contain, so that this server and any proxy before it agree on where the request ends
/// (RFC 9112 §2.2, §5, §6.3, §11.2). Pure. Beast 1.81 lets some of it through: `Transfer-Encoding: gzip` with a
/// Content-Length counts as length-framed there, `Transfer-Encoding: chunked, gzip` as no body, and HTTP/1.0 may be
/// chunked. So Beast parses the head, and framing is decided here.
namespace klen::webhooks::api {

/// Judges the raw bytes of a complete head. The text says what is wrong; answer 400 and close.
std::optional<std::string_view> refuse_raw_head(std::string_view head);

/// What a Content-Length of more digits counts as: more than any limit.
inline constexpr std::uint64_t content_length_max = 999'999'999'999'999'999;

/// How the body is framed and what becomes of the connection.
struct framing {
    bool chunked = false;
    std::uint64_t content_length = 0; ///< at most content_length_max
    bool keep_alive = true;
    bool expects_continue = false;    ///< `Expect: 100-continue`
    bool unknown_expectation = false; ///< answer 417

    bool has_body() const { return chunked || content_length > 0; }
};

/// Judges the parsed head. The text says what is wrong; answer 400 and close.
std::variant<framing, std::string_view> judge_framing(request_head const& head);

} // namespace klen::webhooks::api
