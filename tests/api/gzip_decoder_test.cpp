#include "api/body_decoder.hpp"
#include "api/gzip.hpp"

#include <gtest/gtest.h>

#include <random>

namespace klen::webhooks::api {
namespace {

using testing_support::gzip;
using outcome = body_decoder::outcome;

constexpr std::size_t body_max = 100'000;

struct decoded {
    outcome what = outcome::need_more;
    std::string body;
    std::size_t used = 0;
};

/// As a body with a Content-Length, in pieces of `step`.
decoded decode(std::string_view in, std::size_t step, std::uint64_t budget_bytes = 1'000'000) {
    body_budget budget(budget_bytes, budget_bytes);
    body_share share(budget);
    framing frame;
    frame.content_length = in.size();
    body_decoder decoder({frame, content_coding::gzip, body_max}, share);
    decoded out;
    while (out.what == outcome::need_more) {
        auto const got = decoder.feed(in.substr(out.used, step), out.body);
        out.used += got.used;
        out.what = got.what;
        EXPECT_LE(out.body.size(), budget.taken());
    }
    share.release();
    EXPECT_EQ(budget.taken(), 0U);
    return out;
}

std::string random_text(std::size_t size) {
    std::mt19937_64 random(size);
    std::string out;
    while (out.size() < size)
        out += static_cast<char>(random());
    return out;
}

TEST(gzip_decoder, a_body_is_the_same_however_it_is_cut) {
    for (std::string const& text : {std::string("{}"), std::string(50'000, 'x'), random_text(3000), std::string()}) {
        auto const raw = gzip(text);
        for (std::size_t const step : {std::size_t{1}, std::size_t{7}, raw.size() - 1, raw.size()}) {
            auto const got = decode(raw, step);
            EXPECT_EQ(got.what, outcome::complete) << step;
            EXPECT_EQ(got.body, text) << step;
            EXPECT_EQ(got.used, raw.size());
        }
    }
}

TEST(gzip_decoder, members_in_a_row_are_one_body) {
    auto const raw = gzip("[1,") + gzip("") + gzip("2]");
    for (std::size_t step = 1; step <= raw.size(); ++step) {
        auto const got = decode(raw, step);
        EXPECT_EQ(got.what, outcome::complete) << step;
        EXPECT_EQ(got.body, "[1,2]") << step;
    }
}

TEST(gzip_decoder, every_optional_header_field_is_read_over) {
    auto const plain = gzip("{}");
    std::string raw = plain.substr(0, 10);
    raw[3] = 4 | 8 | 16; // FEXTRA, FNAME, FCOMMENT
    raw += std::string("\x02\x00", 2) + "ab" + std::string("name\0", 5) + std::string("comment\0", 8);
    raw += plain.substr(10);
    EXPECT_EQ(decode(raw, 1).body, "{}");
    EXPECT_EQ(decode(raw, raw.size()).what, outcome::complete);
}

TEST(gzip_decoder, a_body_that_is_cut_off_anywhere_is_refused) {
    auto const raw = gzip("[1,2,3]") + gzip("[4]");
    auto const first = gzip("[1,2,3]").size();
    for (std::size_t size = 1; size < raw.size(); ++size) {
        if (size != first) {
            EXPECT_EQ(decode(std::string_view(raw).substr(0, size), size).what, outcome::bad_gzip) << size;
        }
    }
}

TEST(gzip_decoder, what_is_not_gzip_is_refused) {
    auto const good = gzip("hello, world");
    auto broken = [&](std::size_t at) {
        auto out = good;
        out[at] = static_cast<char>(out[at] ^ 0x55);
        return out;
    };
    for (std::string const& raw :
         {std::string("{}"), std::string("\x78\x9c\x03\x00\x00\x00\x00\x01", 8), good + "x", good + '\0', "x" + good,
          good + "\x1f", broken(0), broken(2), broken(3), broken(good.size() - 1), broken(good.size() - 8)}) {
        EXPECT_EQ(decode(raw, raw.size()).what, outcome::bad_gzip) << testing::PrintToString(raw);
        EXPECT_EQ(decode(raw, 1).what, outcome::bad_gzip) << testing::PrintToString(raw);
    }
}

TEST(gzip_decoder, no_bytes_are_no_body) { EXPECT_EQ(decode("", 1).what, outcome::complete); }

TEST(gzip_decoder, a_body_at_the_limit_passes_and_one_byte_more_does_not) {
    auto const fits = gzip(std::string(body_max, 'x'));
    EXPECT_EQ(decode(fits, fits.size()).what, outcome::complete);
    EXPECT_EQ(decode(fits, 1).body.size(), body_max);
    auto const too_large = gzip(std::string(body_max + 1, 'x'));
    EXPECT_EQ(decode(too_large, too_large.size()).what, outcome::too_large);
    EXPECT_EQ(decode(too_large, 1).what, outcome::too_large);
}

TEST(gzip_decoder, a_bomb_is_noticed_when_its_limit_is_reached) {
    auto const bomb = gzip(std::string(50'000'000, '\0'));
    ASSERT_LT(bomb.size(), body_max);
    auto const whole = decode(bomb, bomb.size());
    EXPECT_EQ(whole.what, outcome::too_large);
    EXPECT_LE(whole.body.size(), body_max);
    auto const dripped = decode(bomb, 10);
    EXPECT_EQ(dripped.what, outcome::too_large);
    EXPECT_LT(dripped.used, bomb.size() / 100); // hardly any of it was inflated
}

TEST(gzip_decoder, members_together_have_one_limit) {
    std::string raw;
    for (int i = 0; i < 11; ++i)
        raw += gzip(std::string(10'000, 'x'));
    EXPECT_EQ(decode(raw, raw.size()).what, outcome::too_large);
}

TEST(gzip_decoder, a_body_grows_within_the_budget_of_all) {
    auto const raw = gzip(std::string(50'000, 'x'));
    EXPECT_EQ(decode(raw, raw.size(), 50'000).what, outcome::complete);
    auto const refused = decode(raw, raw.size(), 49'999);
    EXPECT_EQ(refused.what, outcome::no_room);
    EXPECT_LE(refused.body.size(), 49'999U);
}

TEST(body_decoder, chunks_are_taken_off_before_they_are_inflated) {
    auto const raw = gzip("[1,2]");
    std::string chunked;
    for (char const c : raw)
        chunked += std::string("1\r\n") + c + "\r\n";
    chunked += "0\r\n\r\n";
    for (std::size_t const step : {std::size_t{1}, chunked.size()}) {
        body_budget budget(1000, 1000);
        body_share share(budget);
        framing frame;
        frame.chunked = true;
        body_decoder decoder({frame, content_coding::gzip, body_max}, share);
        std::string body;
        std::size_t used = 0;
        auto what = outcome::need_more;
        while (what == outcome::need_more) {
            auto const got = decoder.feed(std::string_view(chunked + "GET").substr(used, step), body);
            used += got.used;
            what = got.what;
        }
        EXPECT_EQ(what, outcome::complete);
        EXPECT_EQ(body, "[1,2]");
        EXPECT_EQ(used, chunked.size());
    }
}

TEST(body_budget, is_taken_once_and_given_back_once) {
    body_budget budget(100, 100);
    body_share first(budget);
    EXPECT_TRUE(first.cover(60));
    EXPECT_TRUE(first.cover(40));
    EXPECT_EQ(budget.taken(), 60U);
    {
        body_share second(budget);
        EXPECT_FALSE(second.cover(41));
        EXPECT_EQ(budget.taken(), 60U);
        EXPECT_TRUE(second.cover(40));
        EXPECT_FALSE(first.cover(61));
    }
    EXPECT_TRUE(first.cover(100));
    first.release();
    first.release();
    EXPECT_EQ(budget.taken(), 0U);
}

TEST(body_budget, an_account_has_its_part_and_leaves_the_rest) {
    body_budget budget(100, 60);
    body_share one(budget), two(budget), other(budget), nobody(budget);
    one.belong_to("acct_1");
    two.belong_to("acct_1");
    other.belong_to("acct_2");
    EXPECT_TRUE(one.cover(40));
    EXPECT_FALSE(two.cover(21));
    EXPECT_TRUE(two.account_is_full());
    EXPECT_TRUE(two.cover(20));
    EXPECT_TRUE(other.cover(30));
    EXPECT_FALSE(other.cover(41)); // its own part would do
    EXPECT_FALSE(other.account_is_full());
    EXPECT_TRUE(nobody.cover(10));
    EXPECT_EQ(budget.taken(), 100U);
    one.release();
    EXPECT_FALSE(one.cover(41)) << "nobody's now, and all of it counts";
    one.belong_to("acct_1");
    EXPECT_TRUE(one.cover(40));
    for (auto* share : {&one, &two, &other, &nobody})
        share->release();
    EXPECT_EQ(budget.taken(), 0U);
}

} // namespace
} // namespace klen::webhooks::api
