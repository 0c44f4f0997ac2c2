#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace klen::webhooks::egress {

/// Takes a chunked body (RFC 9112 §7.1) apart, one piece of input at a time, and keeps none of it. Extensions and
/// trailers are stepped over. Beast's own reader limits neither and, in 1.81, runs into an assertion when the last
/// chunk arrives in certain pieces.
class chunked_body {
  public:
    enum class status { wants_more, complete, broken };

    struct step {
        std::size_t used = 0;  ///< bytes of the input that were read
        std::string_view data; ///< the part of them that is body
    };
    /// Reads up to the end of the first piece of body, or of the input, or of the message.
    step read(std::string_view input);

    status at() const {
        return state_ == state::done ? status::complete : state_ == state::broken ? status::broken : status::wants_more;
    }
    /// Bytes read that were not body.
    std::size_t framing_bytes() const { return framing_bytes_; }

  private:
    enum class state {
        size_start, ///< before the first digit of a chunk's size
        size,
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_start, ///< at the start of a line behind the last chunk
        trailer,
        trailer_lf,
        end_lf,
        done,
        broken,
    };
    state after(char c);

    state state_ = state::size_start;
    std::uint64_t left_ = 0; ///< of the chunk
    std::size_t framing_bytes_ = 0;
};

} // namespace klen::webhooks::egress
