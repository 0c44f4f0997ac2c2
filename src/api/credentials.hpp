#pragma once

#include "body_decoder.hpp"
#include "request_head.hpp"

#include <optional>
#include <string_view>

/// What the fields of a request say about its sender and its content. Pure.
namespace klen::webhooks::api {

/// The API key: `Authorization: Bearer …` or `X-API-Key: …`. Nothing when there is none, when the scheme is another,
/// or when the two differ.
std::optional<std::string_view> find_key(request_head const& head);
/// Are both headers there? When `find_key` finds nothing, that is why.
bool has_two_keys(request_head const& head);

/// "application/json", with `charset=utf-8` at most.
bool is_json_media_type(std::string_view content_type);

/// What the body is coded with; nothing when it is something that is not understood here, or more than one coding.
std::optional<content_coding> parse_content_coding(request_head const& head);

/// 1 to 255 visible ASCII characters.
bool is_idempotency_key(std::string_view text);

/// A request id given by the caller that may go into logs and headers as it is: 1 to 128 of [A-Za-z0-9._:/+=-].
bool is_sane_request_id(std::string_view text);

} // namespace klen::webhooks::api
