#include "body_decoder.hpp"

#include <algorithm>

namespace klen::webhooks::api {

body_decoder::body_decoder(rules const& by, body_share& share) : share_(share), left_(by.frame.content_length) {
    if (by.frame.chunked)
        chunks_.emplace(by.body_bytes_max);
    if (by.coding == content_coding::gzip)
        gzip_.emplace(by.body_bytes_max);
}

body_decoder::step body_decoder::feed(std::string_view in, std::string& body) {
    return chunks_ ? feed_chunked(in, body) : feed_sized(in, body);
}

body_decoder::step body_decoder::feed_sized(std::string_view in, std::string& body) {
    auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
    left_ -= size;
    auto const what = append(in.substr(0, size), body);
    if (what != outcome::need_more || left_ != 0)
        return {what, size};
    return {end(), size};
}

body_decoder::step body_decoder::feed_chunked(std::string_view in, std::string& body) {
    unchunked_.clear();
    // What comes off is never more than what goes in.
    if (!gzip_ && !share_.cover(body.size() + in.size()))
        return {outcome::no_room, 0};
    auto const got = chunks_->feed(in, gzip_ ? unchunked_ : body);
    if (auto const what = append(unchunked_, body); what != outcome::need_more)
        return {what, got.used};
    switch (got.what) {
    case chunk_decoder::outcome::need_more:
        return {outcome::need_more, got.used};
    case chunk_decoder::outcome::complete:
        return {end(), got.used};
    case chunk_decoder::outcome::malformed:
        return {outcome::bad_chunks, got.used};
    case chunk_decoder::outcome::trailers:
        return {outcome::trailers, got.used};
    case chunk_decoder::outcome::too_large:
        break;
    }
    return {outcome::too_large, got.used};
}

body_decoder::outcome body_decoder::append(std::string_view piece, std::string& body) {
    if (!gzip_) {
        if (!share_.cover(body.size() + piece.size()))
            return outcome::no_room;
        body.append(piece);
        return outcome::need_more;
    }
    switch (gzip_->feed(piece, body, share_)) {
    case gzip_decoder::outcome::more:
        return outcome::need_more;
    case gzip_decoder::outcome::malformed:
        return outcome::bad_gzip;
    case gzip_decoder::outcome::too_large:
        return outcome::too_large;
    case gzip_decoder::outcome::no_room:
        break;
    }
    return outcome::no_room;
}

body_decoder::outcome body_decoder::end() const {
    return gzip_ && !gzip_->at_end() ? outcome::bad_gzip : outcome::complete;
}

} // namespace klen::webhooks::api
