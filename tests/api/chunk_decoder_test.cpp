#include "api/chunk_decoder.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

using outcome = chunk_decoder::outcome;

struct decoded {
    outcome what{};
    std::string body;
    std::size_t used = 0;
};

decoded decode(std::string_view in, std::size_t step, std::size_t body_max = 100) {
    chunk_decoder decoder(body_max);
    decoded out;
    while (out.used < in.size()) {
        auto const got = decoder.feed(in.substr(out.used, step), out.body);
        out.used += got.used;
        out.what = got.what;
        if (got.what != outcome::need_more)
            break;
    }
    return out;
}

TEST(chunk_decoder, a_body_is_the_same_however_it_is_cut) {
    std::string const raw = "5\r\nhello\r\nA;ext=\"x\"\r\n, world, x\r\n0001\r\n!\r\n0\r\n\r\nGET /next";
    for (std::size_t step = 1; step <= raw.size(); ++step) {
        auto const got = decode(raw, step);
        EXPECT_EQ(got.what, outcome::complete) << step;
        EXPECT_EQ(got.body, "hello, world, x!") << step;
        EXPECT_EQ(got.used, raw.size() - 9) << step; // the next request is not touched
    }
}

TEST(chunk_decoder, malformed_chunks_are_refused) {
    using namespace std::string_view_literals;
    std::string long_extension = "5;";
    long_extension.append(300, 'x').append("\r\nhello\r\n");
    std::string long_size;
    long_size.append(300, '0').append("\r\n\r\n");
    for (std::string_view const raw :
         {"\r\n"sv, "g\r\n"sv, "-1\r\n"sv, "0x5\r\nhello\r\n"sv, " 5\r\nhello\r\n"sv, "5 \r\nhello\r\n"sv,
          "5\nhello\r\n"sv, "5\r\nhello\n"sv, "5\r\nhelloX\r\n"sv, ";ext\r\n"sv, "5\r\rhello"sv,
          "5;a\nb\r\nhello\r\n"sv, "5;\0\r\nhello\r\n"sv, "FFFFFFFFFFFFFFFFF\r\n"sv, "0\r\n\rX"sv,
          std::string_view(long_extension), std::string_view(long_size)}) {
        EXPECT_EQ(decode(raw, 1).what, outcome::malformed) << raw;
        EXPECT_EQ(decode(raw, raw.size()).what, outcome::malformed) << raw;
    }
}

TEST(chunk_decoder, trailers_are_refused) { EXPECT_EQ(decode("0\r\nHost: evil\r\n\r\n", 1).what, outcome::trailers); }

TEST(chunk_decoder, the_limit_counts_all_chunks_before_their_data) {
    EXPECT_EQ(decode("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 3, 10).what, outcome::complete);
    EXPECT_EQ(decode("5\r\nhello\r\n6\r\n", 3, 10).what, outcome::too_large);
    EXPECT_EQ(decode("FFFFFFFFFFFFFFF\r\n", 3, 10).what, outcome::too_large);
    EXPECT_EQ(decode("FFFFFFFFFFFFFFF\r\n", 3, 10).body, "");
}

} // namespace
} // namespace klen::webhooks::api
