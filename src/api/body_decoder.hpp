#pragma once

#include "body_budget.hpp"
#include "chunk_decoder.hpp"
#include "gzip_decoder.hpp"
#include "request_guard.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::api {

enum class content_coding { identity, gzip };

/// Makes a request's body of the bytes that come in: takes its framing off, then its coding, within the limit of one
/// body (on the wire and decoded) and the budget of all. No I/O.
class body_decoder {
  public:
    struct rules {
        framing frame;
        content_coding coding = content_coding::identity;
        std::size_t body_bytes_max = 0;
    };
    body_decoder(rules const& by, body_share& share);

    enum class outcome { need_more, complete, bad_chunks, trailers, bad_gzip, too_large, no_room };
    struct step {
        outcome what{};
        std::size_t used = 0; ///< bytes of the input that belong to the body
    };
    /// Appends what `in` holds of the body to `body`. After anything but `need_more`: do not call again.
    step feed(std::string_view in, std::string& body);

  private:
    step feed_sized(std::string_view in, std::string& body);
    step feed_chunked(std::string_view in, std::string& body);
    outcome append(std::string_view piece, std::string& body);
    outcome end() const;

    body_share& share_;
    std::uint64_t left_;
    std::optional<chunk_decoder> chunks_;
    std::optional<gzip_decoder> gzip_;
    std::string unchunked_; ///< a piece that is still to be inflated
};

} // namespace klen::webhooks::api
