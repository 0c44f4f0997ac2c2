#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace klen::webhooks::api {

/// Takes a chunked body apart (RFC 9112 §7.1) while its bytes come in. Pure. Stricter than the RFC allows: trailers are
/// refused (nobody needs them here, and they are a way to smuggle fields), chunk lines are short, and every line ends
/// with CRLF.
class chunk_decoder {
  public:
    explicit chunk_decoder(std::size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

    enum class outcome { need_more, complete, malformed, trailers, too_large };
    struct step {
        outcome what{};
        std::size_t used = 0; ///< bytes of the input that belong to the body
    };
    /// Appends what `in` holds of the body to `body`. After anything but `need_more`: do not call again.
    step feed(std::string_view in, std::string& body);

  private:
    enum class state { size, size_extension, size_line_feed, data, data_return, data_line_feed, end, end_line_feed };

    outcome take(char c);
    outcome take_size(char c);
    outcome end_of_size();

    std::size_t body_bytes_max_;
    state state_ = state::size;
    std::uint64_t chunk_ = 0; ///< bytes of this chunk still to come
    std::size_t taken_ = 0;   ///< bytes of the body so far
    std::size_t line_ = 0;    ///< characters of this chunk's first line
    bool any_digit_ = false;
};

} // namespace klen::webhooks::api
