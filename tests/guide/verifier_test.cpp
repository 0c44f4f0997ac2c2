#include "e2e/child.hpp"
#include "guide/guide.hpp"

#include "klen/webhooks/signing/signer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include <sys/wait.h>

namespace klen::webhooks {
namespace {

using namespace e2e;
using namespace testing;
using std::chrono::system_clock;

/// How the guide's functions of one language become a program. `{}` is the folder it is made in.
struct toolchain {
    char const* language;
    char const* needs;  ///< the test is skipped where this command is missing
    char const* source; ///< the guide's block goes there
    bool appended;      ///< the driver comes after it in the same file; otherwise it is a file of its own
    char const* driver;
    char const* driver_source;
    char const* build; ///< empty: nothing to do
    char const* run;
};

constexpr toolchain toolchains[] = {
    {"js", "node", "verify.js", true, "driver.js", "", "", "node {}/verify.js"},
    {"python", "python3", "verify.py", true, "driver.py", "", "", "python3 {}/verify.py"},
    {"go", "go", "webhook/verify.go", false, "driver.go", "main.go",
     "cd {} && printf 'module guide\\n\\ngo 1.19\\n' > go.mod && HOME={} GOFLAGS=-mod=mod "
     "GOCACHE=" KLEN_BINARY_DIR "/go-cache go build -o verify .",
     "{}/verify"},
    {"php", "php", "verify.php", true, "driver.php", "", "", "php {}/verify.php"},
    {"java", "javac", "WebhookVerifier.java", false, "Driver.java", "Driver.java",
     "cd {} && javac WebhookVerifier.java Driver.java", "java -cp {} Driver"},
    {"csharp", "dotnet", "Verify.cs", false, "Driver.cs", "Driver.cs",
     "cd {} && cp '" KLEN_SOURCE_DIR "/tests/guide/drivers/guide.csproj' . && HOME={} DOTNET_CLI_TELEMETRY_OPTOUT=1 "
     "dotnet build -v q -o out guide.csproj",
     "dotnet {}/out/guide.dll"},
    {"ruby", "ruby", "verify.rb", true, "driver.rb", "", "", "ruby {}/verify.rb"},
    {"cpp", "g++", "verify.cpp", true, "driver.cc", "",
     "g++ -std=c++20 -Wno-deprecated-declarations -o {}/verify {}/verify.cpp -lcrypto", "{}/verify"},
};

std::string in_folder(std::string command, std::string const& folder) {
    for (auto at = command.find("{}"); at != std::string::npos; at = command.find("{}", at))
        command.replace(at, 2, folder);
    return command;
}

struct shell_result {
    int code = -1;
    std::string output;
};

shell_result shell(std::string const& command) {
    shell_result out;
    std::FILE* const pipe = popen((command + " 2>&1 </dev/null").c_str(), "r");
    if (pipe == nullptr)
        return out;
    std::array<char, 4096> buffer{};
    for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        out.output.append(buffer.data(), got);
    int const status = pclose(pipe);
    out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
}

/// A delivery as a receiver sees it.
struct seen_delivery {
    std::string body = R"({"event_type":"call.ended","call":{"name":"Zoë 🎧"},"timestamp":"2026-03-02T09:18:41.903Z"})";
    std::string secret;
    std::int64_t now = 1772443121;
    std::map<std::string, std::string> headers;

    void write(std::string const& folder) const {
        std::string lines;
        for (auto const& [name, value] : headers)
            lines.append(name).append(": ").append(value).append("\n");
        write_file(folder + "/body", body);
        write_file(folder + "/secret", secret);
        write_file(folder + "/now", std::to_string(now));
        write_file(folder + "/headers", lines);
    }
};

constexpr char const* newest = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr char const* replaced = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

signing::secret parsed(std::string_view text) { return signing::secret::parse(text).value(); }

/// Signed by the product during a rotation: `webhook-signature` has both.
seen_delivery signed_delivery() {
    seen_delivery out;
    out.secret = newest;
    auto const now = system_clock::from_time_t(out.now);
    std::vector<signing::webhook_signer::live_secret> live;
    live.push_back({parsed(newest), std::nullopt});
    live.push_back({parsed(replaced), now + std::chrono::hours(1)});
    signing::webhook_signer signer(live);
    std::string const id = "0195e3a0-7c1e-7b7e-8000-5f0cbd0f2f11";
    auto const made = signer.sign(id, out.now, out.body, now);
    out.headers = {{"webhook-id", id},
                   {"webhook-timestamp", std::to_string(out.now)},
                   {"webhook-signature", made.standard_webhooks},
                   {"x-klen-signature", made.klen}};
    return out;
}

struct variant {
    char const* what;
    std::function<void(seen_delivery&)> change;
    char const* expected;
};

std::vector<variant> variants() {
    return {
        {"as it was sent", [](seen_delivery&) {}, "standard=true klen=true"},
        {"with the replaced secret", [](seen_delivery& d) { d.secret = replaced; }, "standard=true klen=false"},
        {"a changed body", [](seen_delivery& d) { d.body[5] = 'x'; }, "standard=false klen=false"},
        {"an old request", [](seen_delivery& d) { d.now += 301; }, "standard=false klen=true"},
        {"from the future", [](seen_delivery& d) { d.now -= 301; }, "standard=false klen=true"},
        {"a changed time", [](seen_delivery& d) { d.headers["webhook-timestamp"] = std::to_string(d.now + 1); },
         "standard=false klen=true"},
        {"another id", [](seen_delivery& d) { d.headers["webhook-id"] = "x"; }, "standard=false klen=true"},
        {"a foreign secret", [](seen_delivery& d) { d.secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; },
         "standard=false klen=false"},
        {"signatures that are not ASCII",
         [](seen_delivery& d) {
             d.headers["webhook-signature"] = "v1,\xc3\xa9 v1,\xc2\xb2";
             d.headers["x-klen-signature"] = "\xc3\xa9";
         },
         "standard=false klen=false"},
        {"a time in digits of another script", [](seen_delivery& d) { d.headers["webhook-timestamp"] = "\xc2\xb2"; },
         "standard=false klen=true"},
        {"no signatures",
         [](seen_delivery& d) {
             d.headers.erase("webhook-signature");
             d.headers.erase("x-klen-signature");
         },
         "standard=false klen=false"},
        {"rubbish for signatures",
         [](seen_delivery& d) {
             d.headers["webhook-signature"] = "v1 v1, v2,abc v1,???";
             d.headers["x-klen-signature"] = "zz";
             d.headers["webhook-timestamp"] = "12x";
         },
         "standard=false klen=false"},
    };
}

class guide_verifier : public TestWithParam<toolchain> {};

TEST_P(guide_verifier, accepts_what_was_signed_and_nothing_else) {
    auto const& tools = GetParam();
    if (shell(std::string("command -v ") + tools.needs).code != 0)
        GTEST_SKIP() << tools.needs << " is not on this machine";
    auto const blocks = guide::blocks(tools.language);
    ASSERT_EQ(blocks.size(), 1u);
    temporary_folder folder;
    shell(in_folder("mkdir -p {}/webhook", folder.path()));
    auto const driver = file_text(std::string(KLEN_SOURCE_DIR "/tests/guide/drivers/") + tools.driver);
    write_file(folder / tools.source, tools.appended ? blocks.front() + "\n" + driver : blocks.front());
    if (!tools.appended)
        write_file(folder / tools.driver_source, driver);
    if (*tools.build != '\0') {
        auto const built = shell(in_folder(tools.build, folder.path()));
        ASSERT_EQ(built.code, 0) << built.output;
    }
    for (auto const& [what, change, expected] : variants()) {
        auto delivery = signed_delivery();
        change(delivery);
        delivery.write(folder.path());
        auto const said = shell(in_folder(tools.run, folder.path()) + " " + folder.path());
        EXPECT_EQ(said.output, std::string(expected) + "\n") << what;
    }
}

INSTANTIATE_TEST_SUITE_P(languages, guide_verifier, ValuesIn(toolchains),
                         [](auto const& one) { return std::string(one.param.language); });

TEST(guide, every_snippet_has_a_test) {
    std::vector<std::string> tested{"bash"};
    for (auto const& tools : toolchains)
        tested.emplace_back(tools.language);
    EXPECT_THAT(guide::languages(), UnorderedElementsAreArray(tested));
}

} // namespace
} // namespace klen::webhooks
