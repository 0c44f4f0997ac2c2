#include "app/run_line.hpp"
#include "klen/webhooks/app/application.hpp"
#include "klen/webhooks/base/version.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

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

/// A variable while a test runs.
class variable {
  public:
    variable(std::string name, std::string const& value) : name_(std::move(name)) {
        setenv(name_.c_str(), value.c_str(), 1);
    }
    ~variable() { unsetenv(name_.c_str()); }
    variable(variable const&) = delete;
    variable& operator=(variable const&) = delete;

  private:
    std::string name_;
};

TEST(command_line, a_private_database_that_cannot_be_run_is_an_error_of_the_configuration) {
    variable const programs("KLEN_WEBHOOKS_DATABASE_PRIVATE_BIN_DIR", "/nowhere/bin");
    variable const user("KLEN_WEBHOOKS_DATABASE_PRIVATE_USER", "nobody-of-that-name");
    variable const folder("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", "/nowhere/data");
    auto const got = run_line({"check-config"});
    EXPECT_EQ(got.code, exit_config) << got.err;
    EXPECT_NE(got.err.find("database.private_bin_dir: there is no program initdb in /nowhere/bin"), std::string::npos)
        << got.err;
    bool const named = got.err.find("database.private_user: there is no user nobody-of-that-name") != std::string::npos;
    EXPECT_EQ(named, ::geteuid() == 0) << "only root runs it as somebody else: " << got.err;
}

TEST(command_line, a_log_file_without_its_folder_is_an_error_of_the_configuration) {
    variable const with("KLEN_WEBHOOKS_LOG_FILE", "/nowhere/klen.log");
    for (char const* command : {"check-config", "serve"}) {
        auto const got = run_line({command});
        EXPECT_EQ(got.code, exit_config) << got.err;
        EXPECT_NE(got.err.find("log.file: /nowhere/klen.log cannot be opened: No such file or directory\n"),
                  std::string::npos)
            << got.err;
        EXPECT_NE(got.err.find("has 1 error;"), std::string::npos) << got.err;
    }
}

TEST(command_line, a_database_url_that_cannot_work_is_an_error_of_the_configuration) {
    for (auto const& [url, told] : std::map<std::string, std::string>{
             {"postgresql://u:secretword@h/d?sslmod=require", "no option \"sslmod\"; did you mean sslmode?"},
             {"postgresql://u:secretword@h:99999/d", "from 1 to 65535, not \"99999\""}}) {
        variable const with("KLEN_WEBHOOKS_DATABASE_URL", url);
        variable const key("KLEN_WEBHOOKS_SECRETS_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
        for (char const* command : {"check-config", "serve", "migrate"}) {
            auto const got = run_line({command});
            EXPECT_EQ(got.code, exit_config) << command << got.err;
            EXPECT_NE(got.err.find("database.url: "), std::string::npos) << got.err;
            EXPECT_NE(got.err.find(told), std::string::npos) << got.err;
            EXPECT_EQ(got.err.find("secretword"), std::string::npos) << got.err;
        }
    }
}

TEST(command_line, a_certificate_without_its_key_is_tried_all_the_same) {
    variable const with("KLEN_WEBHOOKS_SERVER_TLS_CERTIFICATE_FILE", "/nowhere/certificate.pem");
    auto const got = run_line({"check-config"});
    EXPECT_NE(got.err.find("server.tls_key_file: is needed"), std::string::npos) << got.err;
    EXPECT_NE(got.err.find("/nowhere/certificate.pem cannot be used"), std::string::npos) << got.err;
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

TEST(command_line, what_is_wrong_is_told_in_words_of_the_command_line) {
    struct wrong {
        std::vector<std::string> words;
        char const* told;
    };
    for (auto const& [words, told] : std::vector<wrong>{
             {{"webhook", "update", "w", "--name", "a", "--name", "b"},
              "--name is given more than once; see `klen-webhooks webhook update --help`"},
             {{"webhook", "update", "w", "--name"}, "--name needs a value; see"},
             {{"webhook", "rotate-secret", "w", "--grace", "abc"},
              "--grace: must be a number from 0 to 168, not \"abc\"; see"},
             {{"listen", "--port", "99999"}, "--port: must be a whole number from 0 to 65535, not \"99999\"; see"},
             {{"listen", "--count", "many"}, "--count: cannot be \"many\"; see"},
             {{"webhook", "list", "--enabled", "--disabled"}, " does not go with --"},
             {{"webhook", "secret", "w", "--force"}, "--force goes only with --secret-file"},
             {{"webhook"}, "a command is missing; see `klen-webhooks webhook --help`"},
             {{"webhook", "update", "w", "--url", "http://x"}, "--url could be the webhook's URL or the daemon's"},
             {{"publish"}, "publish: give a FILE"}}) {
        auto const got = run_line(words);
        EXPECT_EQ(got.code, exit_usage) << got.err;
        EXPECT_TRUE(got.err.starts_with("klen-webhooks: ")) << got.err;
        EXPECT_NE(got.err.find(told), std::string::npos) << got.err;
        EXPECT_EQ(got.err.find('\n'), got.err.size() - 1) << got.err;
    }
}

TEST(command_line, help_is_a_command_as_well) {
    auto const help = run_line({"help", "webhook", "list"});
    EXPECT_EQ(help.code, exit_ok);
    EXPECT_EQ(help.out, run_line({"webhook", "list", "--help"}).out);
    EXPECT_EQ(run_line({"help"}).out, run_line({"--help"}).out);
    EXPECT_EQ(run_line({"help", "dance"}).code, exit_usage);
}

TEST(command_line, reseal_says_how_long_the_old_key_is_needed) {
    EXPECT_NE(run_line({"reseal", "--help"}).out.find("intake.idempotency_window_hours more"), std::string::npos);
}

TEST(command_line, a_daemon_that_is_not_there_is_exit_code_4) {
    auto const got = run_line({"webhook", "list", "--url", "http://127.0.0.1:1"});
    EXPECT_EQ(got.code, exit_unavailable);
    EXPECT_NE(got.err.find("127.0.0.1:1"), std::string::npos);
    EXPECT_EQ(run_line({"health", "--url", "http://127.0.0.1:1"}).code, exit_unavailable);
}

TEST(command_line, tells_its_version) {
    for (char const* word : {"version", "--version", "-V"}) {
        auto const got = run_line({word});
        EXPECT_EQ(got.code, exit_ok) << word;
        EXPECT_EQ(got.out, "klen-webhooks " + std::string(version()) + "\n");
    }
}

TEST(command_line, a_repeated_option_does_not_swallow_what_follows_it) {
    // With the endpoint last: the port that nobody listens on is reached, so the line was read as meant.
    auto const got = run_line({"webhook", "create", "--name", "n", "--event", "call.*", "--event", "calendar.*",
                               "https://x.example/", "--api", "http://127.0.0.1:1"});
    EXPECT_EQ(got.code, exit_unavailable) << got.err;
}

} // namespace
} // namespace klen::webhooks::app
