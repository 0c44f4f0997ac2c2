#include "gzip_decoder.hpp"

#define ZLIB_CONST // zlib does not write to its input
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

namespace klen::webhooks::api {

namespace {

/// What is inflated before a limit is looked at.
constexpr std::size_t step_bytes = std::size_t{16} << 10;
/// gzip and nothing else (zlib would take its own format as well), with the largest window there is.
constexpr int window_bits = 15 + 16;

} // namespace

struct gzip_decoder::state {
    z_stream zip{};
    bool at_end = true; ///< between members, or before the first

    ~state() { inflateEnd(&zip); }
};

gzip_decoder::gzip_decoder(std::size_t body_bytes_max)
    : body_bytes_max_(body_bytes_max), state_(std::make_unique<state>()) {
    if (inflateInit2(&state_->zip, window_bits) != Z_OK)
        state_.reset();
}

gzip_decoder::~gzip_decoder() = default;

bool gzip_decoder::at_end() const { return state_ && state_->at_end; }

gzip_decoder::outcome gzip_decoder::feed(std::string_view in, std::string& body, body_share& share) {
    if (!state_)
        return outcome::no_room;
    auto& zip = state_->zip;
    std::array<unsigned char, step_bytes> out; // not cleared: zlib says how much of it counts
    while (!in.empty()) {
        if (state_->at_end)
            inflateReset(&zip); // the next member begins
        auto const size = std::min<std::size_t>(in.size(), std::numeric_limits<uInt>::max());
        zip.next_in = reinterpret_cast<unsigned char const*>(in.data());
        zip.avail_in = static_cast<uInt>(size);
        int did = Z_OK;
        do {
            zip.next_out = out.data();
            zip.avail_out = static_cast<uInt>(out.size());
            did = inflate(&zip, Z_NO_FLUSH);
            std::size_t const made = out.size() - zip.avail_out;
            if (made > body_bytes_max_ - body.size())
                return outcome::too_large;
            if (did == Z_MEM_ERROR || !share.cover(body.size() + made))
                return outcome::no_room;
            body.append(reinterpret_cast<char const*>(out.data()), made);
        } while (did == Z_OK && zip.avail_out == 0);
        // Z_BUF_ERROR: nothing was left to do.
        if (did != Z_OK && did != Z_STREAM_END && did != Z_BUF_ERROR)
            return outcome::malformed;
        state_->at_end = did == Z_STREAM_END;
        in.remove_prefix(size - zip.avail_in);
    }
    return outcome::more;
}

} // namespace klen::webhooks::api
