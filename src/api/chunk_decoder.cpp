#include "chunk_decoder.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

constexpr std::size_t chunk_line_max = 256;
constexpr std::uint64_t chunk_bytes_max = std::uint64_t{1} << 56; ///< leaves room for one more hex digit

bool is_control(char c) {
    auto const u = static_cast<unsigned char>(c);
    return (u < 0x20 && u != '\t') || u == 0x7f;
}

} // namespace

chunk_decoder::step chunk_decoder::feed(std::string_view in, std::string& body) {
    std::size_t at = 0;
    while (at < in.size()) {
        if (state_ == state::data) {
            auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_, in.size() - at));
            body.append(in.substr(at, n));
            at += n;
            taken_ += n;
            chunk_ -= n;
            if (chunk_ == 0)
                state_ = state::data_return;
            continue;
        }
        if (auto const what = take(in[at++]); what != outcome::need_more)
            return {what, at};
    }
    return {outcome::need_more, at};
}

chunk_decoder::outcome chunk_decoder::take(char c) {
    auto const expect = [&](char wanted, state next) {
        state_ = next;
        return c == wanted ? outcome::need_more : outcome::malformed;
    };
    switch (state_) {
    case state::size:
    case state::size_extension:
        return take_size(c);
    case state::size_line_feed:
        return c == '\n' ? end_of_size() : outcome::malformed;
    case state::data_return:
        return expect('\r', state::data_line_feed);
    case state::data_line_feed:
        return expect('\n', state::size);
    case state::end:
        // The last chunk is followed by its empty line, or else by trailers.
        return c == '\r' ? expect('\r', state::end_line_feed) : outcome::trailers;
    case state::end_line_feed:
        return c == '\n' ? outcome::complete : outcome::malformed;
    case state::data:
        break;
    }
    return outcome::malformed;
}

chunk_decoder::outcome chunk_decoder::take_size(char c) {
    if (++line_ > chunk_line_max)
        return outcome::malformed;
    if (c == '\r') {
        state_ = state::size_line_feed;
        return any_digit_ ? outcome::need_more : outcome::malformed;
    }
    if (is_control(c))
        return outcome::malformed;
    if (state_ == state::size_extension)
        return outcome::need_more; // extensions mean nothing to us
    if (c == ';' && any_digit_) {
        state_ = state::size_extension;
        return outcome::need_more;
    }
    int const digit = hex_value(c);
    if (digit < 0 || chunk_ >= chunk_bytes_max)
        return outcome::malformed;
    chunk_ = chunk_ * 16 + static_cast<std::uint64_t>(digit);
    any_digit_ = true;
    return outcome::need_more;
}

chunk_decoder::outcome chunk_decoder::end_of_size() {
    line_ = 0;
    any_digit_ = false;
    if (chunk_ > body_bytes_max_ - taken_)
        return outcome::too_large;
    state_ = chunk_ == 0 ? state::end : state::data;
    return outcome::need_more;
}

} // namespace klen::webhooks::api
