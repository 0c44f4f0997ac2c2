#include "app/run_line.hpp"
#include "klen/webhooks/app/application.hpp"
#include "klen/webhooks/base/version.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace klen::webhooks::app {
namespace {

TEST(command_line, every_command_explains_itself_and_the_exit_codes) {
    std::vector<std::vector<std::string>> commands{
        {},          {"serve"},  {"migrate"}, {"check-config"}, {"reseal"},    {"listen"},
        {"publish"}, {"health"}, {"whoami"},  {"completion"},   {"version"},   {"webhook"},
        {"event"},   {"key"},    {"job"},     {"delivery"},     {"event-type"}};
    std::map<std::string, std::vector<std::string>> const below{
        {"webhook",
         {"create", "list", "show", "update", "enable", "disable", "delete", "secret", "rotate-secret", "test",
          "recover", "cancel-pending", "jobs"}},
        {"event", {"publish", "list", "show"}},
        {"delivery", {"list", "show", "resend", "cancel"}},
        {"event-type", {"list", "show", "create", "update", "delete"}},
        {"key", {"create", "list", "show", "revoke"}},
        {"job", {"show"}}};
    for (auto const& [group, names] : below)
        for (auto const& name : names)
            commands.push_back({group, name});
    for (auto words : commands) {
        words.emplace_back("--help");
        auto const got = run_line(words);
        EXPECT_EQ(got.code, exit_ok) << testing::PrintToString(words);
        EXPECT_NE(got.out.find("Exit codes:"), std::string::npos) << testing::PrintToString(words);
    }
}

TEST(command_line, an_option_wins_over_its_variable) {
    setenv("KLEN_WEBHOOKS_CONFIG", "/nowhere/of-the-variable.toml", 1);
    auto const by_variable = run_line({"check-config"});
    auto const by_option = run_line({"check-config", "--config", "/nowhere/of-the-option.toml"});
    unsetenv("KLEN_WEBHOOKS_CONFIG");
    EXPECT_EQ(by_variable.code, exit_config);
    EXPECT_NE(by_variable.err.find("of-the-variable"), std::string::npos) << by_variable.err;
    EXPECT_EQ(by_option.code, exit_config);
    EXPECT_NE(by_option.err.find("of-the-option"), std::string::npos) << by_option.err;
    EXPECT_EQ(by_option.err.find("of-the-variable"), std::string::npos) << by_option.err;
}

TEST(command_line, check_config_shows_the_private_folder_that_is_in_force) {
    setenv("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", "/nowhere/private", 1);
    auto const named = run_line({"check-config"});
    unsetenv("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR");
    EXPECT_NE(named.out.find("# database.url is empty: a private PostgreSQL, in /nowhere/private\n"), std::string::npos)
        << named.out;
    auto const by_default = run_line({"check-config"});
    EXPECT_NE(by_default.out.find("a private PostgreSQL, in /"), std::string::npos) << by_default.out;
}

TEST(command_line, files_that_cannot_be_used_are_errors_of_the_configuration) {
    std::map<std::string, std::string> const variables{
        {"KLEN_WEBHOOKS_SERVER_TLS_CERTIFICATE_FILE", "/nowhere/certificate.pem"},
        {"KLEN_WEBHOOKS_SERVER_TLS_KEY_FILE", "/dev/null"},
        {"KLEN_WEBHOOKS_EGRESS_CA_FILE", "/nowhere/ca.pem"},
        {"KLEN_WEBHOOKS_LOG_FORMAT", "xml"}};
    for (auto const& [name, value] : variables)
        setenv(name.c_str(), value.c_str(), 1);
    for (char const* command : {"check-config", "serve"}) {
        auto const got = run_line({command});
        EXPECT_EQ(got.code, exit_config) << got.err;
        for (char const* part : {"KLEN_WEBHOOKS_SERVER_TLS_CERTIFICATE_FILE: server.tls_certificate_file: ",
                                 "KLEN_WEBHOOKS_SERVER_TLS_KEY_FILE: server.tls_key_file: ",
                                 "KLEN_WEBHOOKS_EGRESS_CA_FILE: egress.ca_file: ", "4 errors"})
            EXPECT_NE(got.err.find(part), std::string::npos) << command << ": " << got.err;
    }
    for (auto const& [name, value] : variables)
        unsetenv(name.c_str());
}

TEST(command_line, what_is_wrong_on_the_line_is_exit_code_2) {
    unsetenv("KLEN_WEBHOOKS_KEY"); // with a key a daemon would be asked
    std::vector<std::vector<std::string>> const lines{
        {},
        {"dance"},
        {"serve", "--dance"},
        {"webhook"},
        {"webhook", "create"},
        {"publish"},
        {"publish", "--sample"},
        {"publish", "--all-samples", "--type", "call.ended"},
        {"publish", "-", "--all-samples"},
        {"publish", "--type", "no.such", "--sample"},
        {"listen", "--status", "99"},
        {"listen", "--delay", "soon"},
        {"listen", "--secret", "whsec_no"},
        {"listen", "--hang", "--reset"},
        {"listen", "--count", "3"},
        {"listen", "--address", "example.com", "--port", "0"},
        {"key", "create", "--name", "x"},
        {"key", "create", "--name", "x", "--platform", "--account", "a"},
        {"key", "create", "--name", "x", "--platform", "--permission", "fly"},
        {"webhook", "list", "--limit", "0"},
        {"webhook", "list", "--url", "ftp://x"},
        {"webhook", "create", "https://x.example/", "--name", "n", "--event", "*", "--header", "broken"}};
    for (auto const& words : lines) {
        auto const got = run_line(words);
        EXPECT_EQ(got.code, exit_usage) << testing::PrintToString(words) << got.err;
        EXPECT_FALSE(got.err.empty()) << testing::PrintToString(words);
    }
}

TEST(command_line, a_word_that_is_no_command_is_told_with_the_nearest_one) {
    auto const near = run_line({"webhook", "lits", "--all"});
    EXPECT_EQ(near.code, exit_usage);
    EXPECT_NE(near.err.find("no command \"webhook lits\"; did you mean \"webhook list\"?"), std::string::npos)
        << near.err;
    auto const far = run_line({"dance"});
    EXPECT_EQ(far.code, exit_usage);
    EXPECT_NE(far.err.find("no command \"dance\"; `klen-webhooks --help` lists them"), std::string::npos) << far.err;
}

TEST(command_line, what_is_left_over_is_told_as_it_was_written) {
    auto const got = run_line({"webhook", "list", "--acount", "a", "--dance"});
    EXPECT_EQ(got.code, exit_usage);
    EXPECT_NE(got.err.find("not expected: --acount a --dance; did you mean --account?"), std::string::npos) << got.err;
}

TEST(command_line, a_daemon_that_is_not_there_is_exit_code_4) {
    auto const got = run_line({"webhook", "list", "--url", "http://127.0.0.1:1"});
    EXPECT_EQ(got.code, exit_unavailable);
    EXPECT_NE(got.err.find("127.0.0.1:1"), std::string::npos);
    EXPECT_EQ(run_line({"health", "--url", "http://127.0.0.1:1"}).code, exit_unavailable);
}

TEST(command_line, tells_its_version) {
    EXPECT_EQ(run_line({"version"}).out, "klen-webhooks " + std::string(version()) + "\n");
}

TEST(command_line, a_repeated_option_does_not_swallow_what_follows_it) {
    // With the endpoint last: the port that nobody listens on is reached, so the line was read as meant.
    auto const got = run_line({"webhook", "create", "--name", "n", "--event", "call.*", "--event", "calendar.*",
                               "https://x.example/", "--api", "http://127.0.0.1:1"});
    EXPECT_EQ(got.code, exit_unavailable) << got.err;
}

} // namespace
} // namespace klen::webhooks::app
