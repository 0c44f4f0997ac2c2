#pragma once

#include "body_budget.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace klen::webhooks::api {

/// Inflates a gzip body (RFC 1952) while its bytes come in. No I/O. Checksums and lengths are checked. Several members
/// in a row are one body, as the RFC has it; anything else after a member is refused, and so is a body that ends inside
/// of one. A body that would grow past its limit is noticed within a few kilobytes, whatever its size on the wire.
class gzip_decoder {
  public:
    explicit gzip_decoder(std::size_t body_bytes_max);
    ~gzip_decoder();
    gzip_decoder(gzip_decoder const&) = delete;
    gzip_decoder& operator=(gzip_decoder const&) = delete;

    enum class outcome { more, malformed, too_large, no_room };
    /// Inflates all of `in` and appends it to `body`, which `share` covers. After anything but `more`: do not call
    /// again.
    outcome feed(std::string_view in, std::string& body, body_share& share);
    /// May the bytes end here? Also true when there were none at all: no content is no content, however it is coded.
    bool at_end() const;

  private:
    struct state;

    std::size_t body_bytes_max_;
    std::unique_ptr<state> state_; ///< null: there was no memory for it
};

} // namespace klen::webhooks::api
