#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The bytes that receivers get, made from the JSON that a publisher sent.
///
/// Strings come out with exactly the escapes that ECMAScript's JSON.stringify writes (ECMA-262 §25.5.2.3
/// QuoteJSONString). A number comes out as ECMAScript prints the double nearest to it (§6.1.6.1.20 Number::toString)
/// when that text denotes the very value that was published: 1.0 → 1, 1E2 → 100, 0.10 → 0.1, -0 → 0. Any other number
/// (2^53+1, 18446744073709551616, twenty digits of pi, 1e400) keeps the text it was published with: a receiver whose
/// numbers are wider loses nothing. Members keep their published order.
///
/// So JSON.stringify(JSON.parse(body)) gives the same bytes again, but for: numbers of that second kind, and members
/// whose keys look like array indices ("0", "17"), which JavaScript puts first. A member named "__proto__" is stable
/// under JSON.parse; a parser that assigns it to an object loses it.
namespace klen::webhooks::event {

/// Why JSON was refused, with the place.
struct json_error {
    std::size_t offset = 0;   ///< bytes from the start of the text
    std::size_t line = 1;     ///< 1-based
    std::size_t column = 1;   ///< 1-based, in characters
    std::string path;         ///< where in the document: "payload.call.contact[2].name"; empty at the top
    std::string what;         ///< "duplicate key \"id\"": no more of the payload than a key, cut and escaped
    std::string text() const; ///< all of it in one sentence
};

struct json_limits {
    std::uint32_t depth_max = 128; ///< arrays and objects within one another
};

/// Checks that `text` is one JSON value (RFC 8259, UTF-8 without BOM, no lone surrogate escape, no duplicate key, depth
/// within the limit) and writes it in the canonical form above to `out`, in place of what is there; after an error
/// `out` holds nothing of use. Time: O(n log n) at worst, whatever the text. Memory: O(depth) beside `out` and a record
/// per key of the open objects. `out` may be up to five times longer than `text` (1e20 is written out). Never throws on
/// bad input.
std::optional<json_error> canonical_json(std::string_view text, json_limits limits, std::string& out);

/// How one JSON number is written: `text` is a valid JSON number.
std::string canonical_number(std::string_view text);
/// A string with JSON.stringify's escapes, quotes included. `text` is well-formed UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// What one publish call says, still unjudged: names and times are checked by intake.
struct publish_request {
    std::optional<std::string> id; ///< idempotency key
    std::optional<std::string> account_id;
    std::optional<std::string> event_type;
    std::optional<std::string> timestamp; ///< the publisher's own string
    std::optional<std::string> traceparent;
    std::string payload; ///< canonical JSON of the payload object: "{…}"; empty when it was missing
};

/// A problem with one field: for a 400 with the field's path.
struct field_error {
    std::string field; ///< "payload.call.id", "event_type"; empty: the whole
    std::string what;  ///< what is wrong and how to mend it
};

/// Reads one publish object `{"account_id":…,"event_type":…,"payload":{…},"id":…,"timestamp":…,"traceparent":…}`.
/// Unknown members are an error that names them (a typing error must not lose data). Members of the wrong JSON type are
/// an error, null included. The payload is checked and made canonical in the same pass; its depth is counted from
/// itself. A payload member named "event_type" or "timestamp" at its top level is refused, because the body would have
/// two. String members are unescaped; U+0000 in them is refused. JSON that is broken anywhere is a json_error, else the
/// first wrong field is reported.
std::variant<publish_request, json_error, field_error> parse_publish_request(std::string_view text, json_limits limits);

/// Finds the items of a top-level JSON array without parsing them: each a slice of `text`, without the white space
/// around it. For batches: one bad item must not spoil the others, so what is wrong within an item is found only when
/// that item is parsed. An error when `text` is not an array, cannot be cut into items, or has more than `items_max`.
struct json_items {
    std::vector<std::string_view> items;
};
std::variant<json_items, json_error> split_array(std::string_view text, std::size_t items_max);

/// {"event_type":"…",<members of payload>,"timestamp":"…"}; `payload` is canonical and an object.
std::string make_body(std::string_view event_type, std::string_view payload, std::string_view timestamp);

} // namespace klen::webhooks::event
