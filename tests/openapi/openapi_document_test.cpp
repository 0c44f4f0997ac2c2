// Is the document valid, by validators that nobody here wrote (tests/node/package.json)?
#include "api/openapi_document.hpp"
#include "node/run_node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

TEST(openapi_document, is_valid_and_its_examples_match_its_schemas) {
    auto const answer =
        testing_node::run_node("openapi_check.mjs", testing_node::handed_file(std::string(openapi_source())));
    ASSERT_EQ(answer.exit_code, 0) << answer.hint();
    EXPECT_THAT(answer.output, testing::HasSubstr(": 0 problems\n"));
}

TEST(openapi_document, the_check_finds_what_is_wrong) {
    std::string document(openapi_source());
    auto const change = [&](std::string const& from, std::string const& to) {
        auto const at = document.find(from);
        ASSERT_NE(at, std::string::npos) << from;
        document.replace(at, from.size(), to);
    };
    change(R"("paths": {)", R"("path": {}, "paths": {)");
    change("#/components/schemas/webhook_page", "#/components/schemas/no_page");
    change(R"("enabled": false)", R"("enabled": "no")");
    change(R"("minLength": 1)", R"("minLenght": 1)");
    auto const answer = testing_node::run_node("openapi_check.mjs", testing_node::handed_file(document));
    EXPECT_EQ(answer.exit_code, 1) << answer.hint();
    for (char const* found : {"not valid OpenAPI", "leads nowhere", "must be boolean", "minLenght"})
        EXPECT_THAT(answer.output, testing::HasSubstr(found));
}

TEST(openapi_document, answers_that_differ_from_it_are_found) {
    std::string const answers = R"({"method":"GET","path":"/livez","status":200,"body":"ok\n"}
{"method":"GET","path":"/livez","status":418,"body":"ok\n"}
{"method":"GET","path":"/api/v1/whoami?x=1","status":200,"body":"{\"key_id\":7}"}
{"method":"POST","path":"/api/v1/events/","status":202,"body":"{\"id\":\"019a4b20-11d8-7a3e-8c55-90d2e47b6f31\",\"more\":1}"}
{"method":"GET","path":"/api/v1/nothing","status":200,"body":"{}"}
{"method":"PUT","path":"/api/v1/events","status":405,"body":"{\"error\":\"method_not_allowed\",\"message\":\"m\"}"}
)";
    auto const answer =
        testing_node::run_node("openapi_answers.mjs", testing_node::handed_file(openapi_document() + "\n" + answers));
    EXPECT_EQ(answer.exit_code, 1) << answer.hint();
    for (char const* found : {"418 is not documented", "required property 'account_id'", "must NOT have additional",
                              "not in the document was answered with 200", "checked 6 answers, "})
        EXPECT_THAT(answer.output, testing::HasSubstr(found));
    EXPECT_THAT(answer.output, testing::Not(testing::HasSubstr("405")));
}

} // namespace
} // namespace klen::webhooks::api
