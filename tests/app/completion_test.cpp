// The completion scripts, loaded by real shells.

#include "app/run_line.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace klen::webhooks::app {
namespace {

namespace fs = std::filesystem;

class completion_test : public testing::Test {
  protected:
    void SetUp() override {
        auto name = (fs::temp_directory_path() / "klen-completion-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
        std::ofstream(dir_ / "a file.json") << "{}";
        std::ofstream(dir_ / "an event.json") << "{}";
        for (std::string const shell : {"bash", "zsh"})
            std::ofstream(dir_ / shell) << run_line({"completion", shell}).out;
    }
    void TearDown() override { fs::remove_all(dir_); }

    std::vector<std::string> output_of(std::string const& shell, std::string const& script) {
        std::ofstream(dir_ / "script") << script;
        auto const command = "cd '" + dir_.string() + "' && LC_ALL=C " + shell + " ./script 2>&1";
        auto* const pipe = popen(command.c_str(), "r");
        std::string text;
        std::array<char, 4096> part{};
        while (pipe != nullptr && fgets(part.data(), part.size(), pipe) != nullptr)
            text += part.data();
        EXPECT_EQ(pclose(pipe), 0) << text;
        std::vector<std::string> out;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);)
            out.push_back(line);
        return out;
    }

    /// What bash offers for the last of `words`, cut as bash cuts them (at "=").
    std::vector<std::string> bash(std::vector<std::string> const& words) {
        std::string array;
        for (auto const& word : words)
            array += " '" + word + "'";
        return output_of("bash --norc",
                         "set -u\nsource ./bash\ncomplete -p klen-webhooks >/dev/null\nCOMP_WORDS=(klen-webhooks" +
                             array + ")\nCOMP_CWORD=" + std::to_string(words.size()) +
                             "\n_klen_webhooks\nfor one in \"${COMPREPLY[@]}\"; do printf '%s\\n' \"$one\"; done\n");
    }

    fs::path dir_;
};

using offers = std::vector<std::string>;

bool contains(offers const& all, std::string const& one) { return std::ranges::find(all, one) != all.end(); }

TEST_F(completion_test, bash_offers_commands_at_each_level) {
    auto const top = bash({""});
    for (char const* name : {"serve", "webhook", "publish", "completion", "reseal", "event-type"})
        EXPECT_TRUE(contains(top, name)) << name;
    EXPECT_EQ(bash({"pub"}), (offers{"publish"}));
    EXPECT_EQ(bash({"webhook", "rec"}), (offers{"recover"}));
    EXPECT_EQ(bash({"event", ""}), (offers{"publish", "list", "show"}));
    EXPECT_EQ(bash({"completion", ""}), (offers{"bash", "zsh"}));
}

TEST_F(completion_test, bash_offers_the_options_of_the_command) {
    EXPECT_EQ(bash({"webhook", "recover", "ID", "--n"}), (offers{"--never-attempted"}));
    EXPECT_EQ(bash({"webhook", "recover", "--until", "webhook", "--si"}), (offers{"--since"}))
        << "the value of an option is no command";
    auto const all = bash({"delivery", "show", "-"});
    EXPECT_TRUE(contains(all, "--full"));
    EXPECT_TRUE(contains(all, "--help"));
    EXPECT_FALSE(contains(all, "--since"));
    EXPECT_TRUE(contains(bash({"whoami", ""}), "--json")) << "where nothing else can come";
}

TEST_F(completion_test, bash_offers_values) {
    EXPECT_EQ(bash({"delivery", "list", "--status", "fa"}), (offers{"failed"}));
    EXPECT_EQ(bash({"delivery", "list", "--status", "failed,p"}), (offers{"failed,pending"}));
    EXPECT_EQ(bash({"delivery", "list", "--status", "=", "fa"}), (offers{"failed"}));
    EXPECT_EQ(bash({"delivery", "list", "--status", "="}).size(), 5U);
    EXPECT_EQ(bash({"delivery", "list", "--error-class", "tl"}), (offers{"tls_failure"}));
    EXPECT_EQ(bash({"key", "create", "--permission", "manage_"}), (offers{"manage_webhooks", "manage_keys"}));
    EXPECT_EQ(bash({"webhook", "test", "ID", "--event-type", "call.e"}), (offers{"call.ended"}));
    EXPECT_EQ(bash({"webhook", "create", "--event", "call."}).front(), "call.*") << "not expanded by the shell";
    EXPECT_EQ(bash({"webhook", "create", "--event", "delivery"}), (offers{"delivery.*", "delivery.exhausted"}));
    EXPECT_EQ(bash({"webhook", "list", "--event-type", "call.*"}), offers{}) << "one type, not a family";
    EXPECT_EQ(bash({"webhook", "create", "--name", ""}), offers{});
}

TEST_F(completion_test, bash_offers_files) {
    EXPECT_EQ(bash({"serve", "--config", "a f"}), (offers{"a file.json"}));
    EXPECT_EQ(bash({"serve", "-c", "a f"}), (offers{"a file.json"}));
    EXPECT_EQ(bash({"whoami", "--key-file", "an"}), (offers{"an event.json"}));
    auto files = bash({"publish", "a"});
    std::ranges::sort(files);
    EXPECT_EQ(files, (offers{"a file.json", "an event.json"}));
}

TEST_F(completion_test, zsh_offers_the_same) {
    if (std::system("command -v zsh >/dev/null 2>&1") != 0)
        GTEST_SKIP() << "there is no zsh here";
    // What the completion system's own functions are given.
    auto const zsh = [this](std::vector<std::string> const& words) {
        std::string array;
        for (auto const& word : words)
            array += " '" + word + "'";
        return output_of("zsh -f",
                         "compdef() { : }\n_files() { print -l -- FILES }\n"
                         "_describe() { local name=${@[-1]}; print -l -- ${${(P)name}%%:*} }\n"
                         "compadd() { local name=${@[-1]}; print -l -- ${(P)name} }\ncompset() { : }\nsource ./zsh\n"
                         "words=(klen-webhooks" +
                             array + ")\nCURRENT=${#words}\n_klen_webhooks\nexit 0\n");
    };
    EXPECT_TRUE(contains(zsh({""}), "webhook"));
    EXPECT_EQ(zsh({"event", ""}), (offers{"publish", "list", "show"}));
    EXPECT_TRUE(contains(zsh({"webhook", "recover", "ID", "-"}), "--never-attempted"));
    EXPECT_TRUE(contains(zsh({"delivery", "list", "--status", ""}), "failed"));
    EXPECT_TRUE(contains(zsh({"delivery", "list", "--status=fa"}), "failed"));
    EXPECT_EQ(zsh({"serve", "--config", ""}), (offers{"FILES"}));
}

TEST_F(completion_test, other_shells_are_refused) { EXPECT_EQ(run_line({"completion", "fish"}).code, 2); }

} // namespace
} // namespace klen::webhooks::app
