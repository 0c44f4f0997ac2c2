#include "api/request_target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(request_target, paths_are_decoded_and_lose_one_trailing_slash) {
    for (auto const& [raw, path] : {std::pair{"/", "/"},
                                    {"/api/v1/events", "/api/v1/events"},
                                    {"/api/v1/events/", "/api/v1/events"},
                                    {"/api/v1/events//", "/api/v1/events/"},
                                    {"/%61pi?x=1", "/api"},
                                    {"/a+b", "/a+b"},
                                    {"/a/../b", "/a/../b"},
                                    {"*", "*"},
                                    {"http://host:80/api?x", "/api"},
                                    {"http://host", "/"},
                                    {"https://host?x", "/"}}) {
        auto const got = parse_request_target(raw);
        ASSERT_TRUE(got) << raw;
        EXPECT_EQ(got->path, path) << raw;
    }
}

TEST(request_target, the_query_keeps_its_order) {
    auto const got = parse_request_target("/x?a=1&b=%26+%3D&&c&d=&a=2=3");
    ASSERT_TRUE(got);
    EXPECT_THAT(got->query,
                ElementsAre(Pair("a", "1"), Pair("b", "& ="), Pair("c", ""), Pair("d", ""), Pair("a", "2=3")));
}

TEST(request_target, malformed_targets_are_refused) {
    for (std::string const& raw :
         {std::string(), std::string("api"), std::string("host:80"), std::string("ftp://host/"),
          std::string("http:///x"), std::string("/%"), std::string("/%4"), std::string("/%zz"), std::string("/%00"),
          std::string("/a%2fb"), std::string("/a%2Fb"), std::string("/a#b"), std::string("/a b"), std::string("/?%"),
          std::string("/?a=%00"), std::string("/\xc3\xa4"), std::string("/a\0b", 4)})
        EXPECT_FALSE(parse_request_target(raw)) << raw;
}

} // namespace
} // namespace klen::webhooks::api
