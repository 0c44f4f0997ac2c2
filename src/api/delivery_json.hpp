#pragma once

#include "attempt_headers.hpp"
#include "json_writer.hpp"

#include "klen/webhooks/store/types.hpp"

#include <optional>
#include <string>
#include <string_view>

/// How deliveries, attempts and what receivers said are shown. Pure.
namespace klen::webhooks::api {

/// `"<name>":[["Name","value"],…]` of header lines that end with CRLF; the last one may be cut. Values that are not
/// UTF-8 are taken for ISO 8859-1, as RFC 9110 §5.5 has it.
void write_header_lines(json_writer& out, std::string_view name, std::string_view lines);

/// `"<name>":"…","<name>_encoding":"utf-8"|"base64"` of the first bytes of a body. Where the end was cut within a
/// character, that rest is left out.
void write_body_start(json_writer& out, std::string_view name, std::string_view bytes);

/// The members of a delivery, without the braces: callers add to them. Its last attempt is among them.
void write_delivery_members(json_writer& out, store::delivery_row const& delivery);
void write_delivery(json_writer& out, store::delivery_row const& delivery);

/// The members of an attempt that every view of it has, without the braces.
void write_attempt_summary_members(json_writer& out, store::attempt_row const& attempt);
/// With what was sent and what the receiver said.
void write_attempt(json_writer& out, store::attempt_row const& attempt, attempt_headers const& sent);

/// The members of an event without its deliveries; the body where `with_body`.
void write_event_members(json_writer& out, store::event_row const& event, bool with_body);

} // namespace klen::webhooks::api
