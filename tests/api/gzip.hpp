#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#define ZLIB_CONST // zlib does not write to its input
#include <zlib.h>

namespace klen::webhooks::testing_support {

/// One member of RFC 1952.
inline std::string gzip(std::string_view text) {
    z_stream zip{};
    EXPECT_EQ(deflateInit2(&zip, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&zip, text.size()) + 32, '\0');
    zip.next_in = reinterpret_cast<unsigned char const*>(text.data());
    zip.avail_in = static_cast<uInt>(text.size());
    zip.next_out = reinterpret_cast<unsigned char*>(out.data());
    zip.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&zip, Z_FINISH), Z_STREAM_END);
    out.resize(zip.total_out);
    deflateEnd(&zip);
    return out;
}

} // namespace klen::webhooks::testing_support
