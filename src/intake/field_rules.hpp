#pragma once

#include <string_view>

/// Rules for the text members of a published event. Pure.
namespace klen::webhooks::intake {

/// RFC 3339 date-time with a real date: "2026-03-02T09:18:41Z", fractions and numeric offsets allowed, a second of 60
/// only where a leap second can be. At most 64 characters.
bool is_rfc3339(std::string_view text);

/// W3C Trace Context, version 00: 00-<32 hex>-<16 hex>-<2 hex>, lower case, neither id all zeros.
bool is_traceparent(std::string_view text);

/// An idempotency key: 1 to 256 characters, none of them a control character. `text` is well-formed UTF-8.
bool is_idempotency_key(std::string_view text);

} // namespace klen::webhooks::intake
