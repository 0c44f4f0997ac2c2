#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The head of an HTTP/1 request: from raw bytes to parts. Pure.
namespace klen::webhooks::api {

/// ASCII, whatever the case.
bool equals_ignoring_case(std::string_view a, std::string_view b);

struct header_field {
    std::string_view name;
    std::string_view value; ///< without the white space around it
};

/// Everything refers to the bytes that were parsed.
struct request_head {
    std::string_view method;
    std::string_view target;
    int version = 11; ///< 10 or 11
    std::vector<header_field> fields;

    /// The first field of that name.
    std::optional<std::string_view> find(std::string_view name) const;
    std::size_t count(std::string_view name) const;
};

/// Finds the end of a head while its bytes come in, each byte looked at once. A line feed without a carriage return
/// before it is found at once: whoever sends such lines would otherwise wait for the end of a head that never ends.
class head_scanner {
  public:
    enum class outcome { need_more, complete, bare_line_feed };
    /// `received` begins with what was given before.
    outcome scan(std::string_view received);
    /// Bytes of the head, its empty line included; after `complete`.
    std::size_t size() const { return scanned_; }
    void reset() { scanned_ = 0; }

  private:
    std::size_t scanned_ = 0;
};

inline constexpr std::size_t header_fields_max = 100;

/// Parses a complete head with Beast's parser. The text says why it was refused. `out.fields` is reused.
std::optional<std::string> parse_request_head(std::string_view head, request_head& out);

} // namespace klen::webhooks::api
