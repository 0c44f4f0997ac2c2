#include "klen/webhooks/base/settings.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

std::string const shipped = std::string(KLEN_SOURCE_DIR) + "/config/klen-webhooks.toml";

std::optional<std::string> no_variables(std::string const&) { return std::nullopt; }

std::string contents(std::string const& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// Where each value comes from is not part of what it is.
std::string without_sources(std::string const& text) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);)
        out.append(line, 0, line.find("  # ")).append("\n");
    return out;
}

TEST(config_file, is_what_the_table_of_settings_generates) {
    std::string const generated = default_config_text();
    if (contents(shipped) == generated)
        return;
    std::string const fresh = std::string(KLEN_BINARY_DIR) + "/klen-webhooks.toml";
    std::ofstream(fresh, std::ios::binary) << generated;
    FAIL() << "config/klen-webhooks.toml is out of date; copy " << fresh << " over it";
}

TEST(config_file, loads_without_errors_and_changes_nothing) {
    loaded_config const got = load_config(shipped, no_variables, {});
    for (config_error const& e : got.errors)
        ADD_FAILURE() << e.text();
    EXPECT_EQ(without_sources(effective_config_text(shipped, no_variables)),
              without_sources(effective_config_text("", no_variables)));
}

// toml++ 3.3 reaches what it holds for impossible at such letters: only some builds show it, the fuzzer's for one.
TEST(config_file, takes_letters_beyond_ascii_where_they_belong_and_names_them_elsewhere) {
    auto const load = [](std::string_view text) { return load_config_text("a.toml", text, no_variables, {}); };
    EXPECT_THAT(load("# Grüße, 你好\n[server]\n").errors, testing::IsEmpty());
    auto const log_file = load("[log]\nfile = \"\"\"/tmp/a\\\n\xc2\xa7\"\"\"\n");
    EXPECT_THAT(log_file.errors, testing::IsEmpty());
    EXPECT_EQ(log_file.values.log.file, "/tmp/a\xc2\xa7");
    for (char const* wrong : {"[se\xce\x89"
                              "er_\n[=]Y \n",
                              "\xcc\xaa", "[server]\nport = \xc3\xa9\n", "é = 1\n"}) {
        auto const got = load(wrong);
        ASSERT_FALSE(got.errors.empty()) << wrong;
        EXPECT_THAT(got.errors[0].text(), testing::HasSubstr("a.toml")) << wrong;
    }
}

TEST(config_file, holds_every_setting_with_its_variable) {
    std::string const text = contents(shipped);
    for (setting_info const& s : all_settings()) {
        std::string const name = s.key.substr(s.key.find('.') + 1);
        EXPECT_THAT(text, testing::HasSubstr(name + " = " + s.default_value + "\n")) << s.key;
        EXPECT_THAT(text, testing::HasSubstr("# " + s.environment_variable)) << s.key;
        EXPECT_FALSE(s.description.empty()) << s.key;
    }
}

TEST(config_file, commented_settings_load_too) {
    std::string text = contents(shipped);
    for (std::size_t at = text.find("\n#"); at != std::string::npos; at = text.find("\n#", at + 1)) {
        if (text[at + 2] != ' ' && text[at + 2] != '\n')
            text.erase(at + 1, 1);
    }
    loaded_config const got = load_config_text("klen.toml", text, no_variables, {});
    for (config_error const& e : got.errors)
        ADD_FAILURE() << e.text();
}

TEST(config_file, that_cannot_be_read_is_an_error_beside_those_of_the_environment) {
    auto const get = [](std::string const& name) -> std::optional<std::string> {
        if (name == "KLEN_WEBHOOKS_LOG_FORMAT")
            return "xml";
        return std::nullopt;
    };
    loaded_config const got = load_config("/nonexistent/klen.toml", get, {"KLEN_WEBHOOKS_LOG_FORMAT"});
    ASSERT_EQ(got.errors.size(), 2u);
    EXPECT_EQ(got.errors[0].text(), "/nonexistent/klen.toml: the file \"/nonexistent/klen.toml\" cannot be read: No "
                                    "such file or directory");
    EXPECT_EQ(got.errors[1].source, "KLEN_WEBHOOKS_LOG_FORMAT");
}

TEST(config_file, with_a_header_that_has_no_key_is_an_error_with_its_line) {
    for (std::string const header : {"[= x]", "[[= x]]", "[#]", "[,]", "[ = ]", "[\x01]"}) {
        auto const got = load_config_text("a.toml", "[server]\n" + header + "\n", no_variables, {});
        ASSERT_EQ(got.errors.size(), 1U) << header;
        EXPECT_EQ(got.errors.front().line, 2) << header;
        EXPECT_FALSE(got.errors.front().message.empty()) << header;
    }
}

TEST(settings_table, keys_and_variables_are_unique_and_secrets_are_the_known_ones) {
    std::set<std::string> keys;
    std::set<std::string> variables;
    std::set<std::string> secrets;
    for (setting_info const& s : all_settings()) {
        EXPECT_TRUE(keys.insert(s.key).second) << s.key;
        EXPECT_TRUE(variables.insert(s.environment_variable).second) << s.key;
        if (s.secret) {
            secrets.insert(s.key);
            EXPECT_TRUE(variables.insert(s.environment_variable + "_FILE").second) << s.key;
        }
    }
    EXPECT_EQ(secrets, (std::set<std::string>{"database.url", "secrets.master_key", "secrets.previous_master_keys"}));
}

TEST(settings_table, units_of_numbers_are_in_their_names) {
    for (setting_info const& s : all_settings()) {
        for (auto const& [type, word] :
             {std::pair("milliseconds", "_ms"), std::pair("seconds", "_seconds"),
              std::pair("list of seconds", "_seconds"), std::pair("minutes", "_minutes"), std::pair("hours", "_hours"),
              std::pair("percent", "_percent"), std::pair("bytes", "bytes_"), std::pair("port", "_port")}) {
            if (s.type == type) {
                EXPECT_THAT(s.key, testing::HasSubstr(word));
            }
        }
    }
}

} // namespace
} // namespace klen::webhooks
