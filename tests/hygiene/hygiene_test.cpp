// What a reviewer would tire of: include edges, banned patterns, files in no target, and documents that name files,
// settings or commands which do not exist.

#include "klen/webhooks/base/settings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace klen::webhooks {
namespace {

namespace fs = std::filesystem;

fs::path const root = KLEN_SOURCE_DIR;

std::string read(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<fs::path> files_below(fs::path const& folder, std::set<std::string> const& endings) {
    std::vector<fs::path> out;
    for (auto const& entry : fs::recursive_directory_iterator(root / folder)) {
        if (entry.path().string().find("node_modules") != std::string::npos)
            continue;
        if (entry.is_regular_file() && endings.contains(entry.path().extension().string()))
            out.push_back(entry.path());
    }
    std::ranges::sort(out);
    return out;
}

std::vector<fs::path> sources() {
    std::vector<fs::path> out;
    for (char const* folder : {"include", "src", "tests", "bench"})
        for (auto& file : files_below(folder, {".hpp", ".cpp"}))
            out.push_back(std::move(file));
    return out;
}

std::string shown(fs::path const& file) { return fs::relative(file, root).string(); }

// The arrows of docs/ARCHITECTURE.md: what a module may include, beside itself.
std::map<std::string, std::set<std::string>> const edges = {
    {"base", {}},
    {"event", {"base"}},
    {"signing", {"base"}},
    {"policy", {"base"}},
    {"store", {"base", "event", "policy"}},
    {"egress", {"base", "policy"}},
    {"dispatch", {"base", "event", "policy", "signing", "egress", "store"}},
    {"intake", {"base", "event", "signing", "store", "policy"}},
    {"api", {"base", "event", "signing", "egress", "policy", "store", "dispatch", "intake"}},
    {"app", {"base", "event", "signing", "egress", "policy", "store", "dispatch", "intake", "api"}},
};

TEST(hygiene, modules_include_only_what_lies_below_them) {
    std::regex const include(R"re(#include "(?:klen/webhooks/)?(\w+)/[^"]+")re");
    for (auto const& [module, below] : edges) {
        for (char const* tree : {"include/klen/webhooks/", "src/"}) {
            if (!fs::exists(root / (tree + module)))
                continue;
            for (auto const& file : files_below(tree + module, {".hpp", ".cpp"})) {
                std::string const text = read(file);
                for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
                    std::string const other = (*it)[1];
                    if (edges.contains(other)) {
                        EXPECT_TRUE(other == module || below.contains(other))
                            << shown(file) << " includes " << other << ", which is not below " << module;
                    }
                }
            }
        }
    }
}

TEST(hygiene, libraries_stay_inside_their_modules) {
    struct rule {
        std::regex include;
        std::set<std::string> modules;
    };
    std::vector<rule> const rules = {
        {std::regex(R"(#include <pqxx|#include <libpq)"), {"store"}},
        {std::regex(R"(#include <boost/beast)"), {"egress", "api", "app", "third_party"}},
        {std::regex(R"(#include <boost/asio/ssl)"), {"egress", "api", "app", "third_party"}},
        {std::regex(R"(#include <toml)"), {"base"}},
        {std::regex(R"(#include <ares)"), {"egress"}},
        {std::regex(R"(#include <CLI/)"), {"app"}},
    };
    for (auto const& file : files_below("src", {".hpp", ".cpp"})) {
        std::string const module = fs::relative(file, root / "src").begin()->string();
        std::string const text = read(file);
        for (auto const& r : rules) {
            if (std::regex_search(text, r.include)) {
                EXPECT_TRUE(r.modules.contains(module)) << shown(file);
            }
        }
    }
    for (auto const& file : files_below("include", {".hpp"})) {
        std::string const text = read(file);
        for (auto const& r : rules)
            EXPECT_FALSE(std::regex_search(text, r.include)) << shown(file);
    }
}

TEST(hygiene, banned_patterns_do_not_appear) {
    struct ban {
        std::regex pattern;
        std::string why;
        std::string only_below; ///< empty: everywhere
    };
    std::vector<ban> const bans = {
        {std::regex(R"(\basio::detached\b|, detached\))"), "a detached coroutine has no owner and swallows exceptions",
         ""},
        {std::regex(R"(awaitable_operators)"), "operator|| loses errors and is not safe across threads", ""},
        {std::regex(R"(experimental::channel|experimental/channel)"), "Boost 1.81's channel breaks after a cancel", ""},
        {std::regex(R"(#include <boost/asio\.hpp>)"), "include what is used: the whole of Asio costs seconds a source",
         ""},
        {std::regex(R"(\bco_await\b[^;{}]*\[[^\]\n]+\]\s*(\([^)]*\))?\s*\{)"),
         "g++ 12 frees a capture beside co_await twice (PR 107288): name the lambda first", ""},
        {std::regex(R"(\bsleep_for\b|\busleep\b)"), "a test that sleeps and hopes is a defect", "tests"},
        {std::regex(R"(\bstd::(cout|printf)\b)"), "logs go through base/log.hpp", "src/store"},
        {std::regex(R"(\bTODO\b|\bFIXME\b|\bXXX\b)"), "say it in an issue", ""},
        {std::regex(R"(\bPQ(getC|c)ancel|\bcancel_query\b|\bpg_cancel_backend\b)"),
         "who cancels a commit does not know what became of it", "src"},
        {std::regex(R"(\bNOTIFY\b|\bpg_notify\b)"), "all commits that notify wait for one lock", "src/store"},
        {std::regex(R"(\bNOTIFY\b|\bpg_notify\b)"), "all commits that notify wait for one lock", "migrations"},
    };
    auto files = sources();
    std::ranges::move(files_below("migrations", {".sql"}), std::back_inserter(files));
    for (auto const& file : files) {
        if (file.filename() == "hygiene_test.cpp")
            continue;
        std::string const text = read(file);
        for (auto const& b : bans) {
            if (!b.only_below.empty() && shown(file).rfind(b.only_below, 0) != 0)
                continue;
            EXPECT_FALSE(std::regex_search(text, b.pattern)) << shown(file) << ": " << b.why;
        }
    }
}

// How long a comparison takes would tell how much of a guess is right.
TEST(hygiene, signatures_and_hashes_of_keys_are_compared_in_constant_time) {
    std::regex const otherwise(R"re((^|[^_])memcmp\(|\bequal\(|\.compare\(|(hash|signature\w*|expected)\s*[=!]=|)re"
                               R"re([=!]=\s*([\w.]|->)*(hash|signature|expected))re");
    auto files = files_below("src/signing", {".cpp"});
    files.push_back(root / "src/api/key_cache.cpp");
    for (auto const& file : files)
        EXPECT_FALSE(std::regex_search(read(file), otherwise)) << shown(file);
    for (char const* file : {"src/signing/verify.cpp", "src/api/key_cache.cpp"})
        EXPECT_NE(read(root / file).find("CRYPTO_memcmp("), std::string::npos) << file;
}

// What the simulation runs (docs/RELIABILITY.md) gets time, chance and threads from outside, or a seed would not
// replay.
TEST(hygiene, simulated_code_takes_time_chance_and_threads_from_outside) {
    std::regex const from_the_machine(
        R"re(clock::now|\bsystem_clock\(\)|\bs?rand\(|random_device|mt19937|default_random_engine|<random>|random_bytes|)re"
        R"re(make_uuid_v7|make_id<|std::j?thread|std::async|this_thread|condition_variable|<thread>|)re"
        R"re(clock_gettime|gettimeofday|\btime\((nullptr|NULL|0)\)|steady_timer|system_timer)re");
    std::map<std::string, std::string> const allowed = {
        {"src/dispatch/timer_sleep.cpp", "steady_timer"}, // the production value of dispatch_environment::sleep_until
        {"src/dispatch/test_sender.cpp", "make_id<"},     // a POST that belongs to no delivery; not simulated
    };
    for (char const* tree : {"include/klen/webhooks/", "src/"}) {
        for (char const* module : {"policy", "dispatch"}) {
            for (auto const& file : files_below(fs::path(tree) / module, {".hpp", ".cpp"})) {
                std::string const text = read(file);
                for (std::sregex_iterator it(text.begin(), text.end(), from_the_machine), end; it != end; ++it) {
                    auto const exception = allowed.find(shown(file));
                    EXPECT_TRUE(exception != allowed.end() && exception->second == it->str())
                        << shown(file) << " uses " << it->str() << ": take it from dispatch_environment";
                }
            }
        }
    }
}

TEST(hygiene, every_source_is_in_a_target) {
    for (auto const& file : sources()) {
        if (file.extension() != ".cpp")
            continue;
        // Somewhere between the file's folder and the root, a CMakeLists.txt (or .cmake) names it.
        bool named = false;
        std::string const stem = file.stem().string();
        for (fs::path folder = file.parent_path(); !named && folder != root.parent_path();
             folder = folder.parent_path()) {
            for (char const* list : {"CMakeLists.txt", "targets.cmake"}) {
                std::string const text = fs::exists(folder / list) ? read(folder / list) : std::string();
                std::string fuzzer = stem;
                if (fuzzer.ends_with("_fuzz"))
                    fuzzer = "klen_fuzzer(" + fuzzer.substr(0, fuzzer.size() - 5);
                named = named || text.find(file.filename().string()) != std::string::npos ||
                        (fuzzer != stem && text.find(fuzzer) != std::string::npos);
            }
        }
        EXPECT_TRUE(named) << shown(file) << " is in no CMakeLists.txt";
    }
}

TEST(hygiene, the_project_stands_alone) {
    std::regex const outside(R"(\.\./shared|/w[o]rk/)");
    for (char const* folder : {"include", "src", "tests", "bench", "docs", "scripts", "docker", "config", "migrations"})
        for (auto const& entry : fs::recursive_directory_iterator(root / folder)) {
            if (!entry.is_regular_file() || entry.path().string().find("node_modules") != std::string::npos)
                continue;
            if (entry.path().filename() == "hygiene_test.cpp")
                continue;
            EXPECT_FALSE(std::regex_search(read(entry.path()), outside)) << shown(entry.path());
        }
}

std::vector<fs::path> documents() {
    std::vector<fs::path> out = files_below("docs", {".md"});
    for (char const* name : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"})
        out.push_back(root / name);
    return out;
}

TEST(hygiene, files_named_in_documents_exist) {
    std::regex const named(
        R"re(`((?:\.ci|bench|config|docker|docs|include|migrations|scripts|src|tests)/[\w./-]+)[^`]*`)re");
    for (auto const& document : documents()) {
        std::string const text = read(document);
        ASSERT_FALSE(text.empty()) << document;
        for (std::sregex_iterator it(text.begin(), text.end(), named), end; it != end; ++it)
            EXPECT_TRUE(fs::exists(root / (*it)[1].str())) << shown(document) << " names " << (*it)[1];
    }
}

TEST(hygiene, log_lines_quoted_for_operators_exist) {
    std::string sources;
    for (auto const& file : files_below("src", {".cpp", ".hpp"}))
        sources += read(file);
    std::istringstream lines(read(root / "docs/OPERATIONS.md"));
    std::regex const quoted(R"re(`([a-z][^`]* [^`]*)`)re");
    int found = 0;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| `"))
            continue;
        auto const cell = line.substr(0, line.find('|', 1));
        for (std::sregex_iterator it(cell.begin(), cell.end(), quoted), end; it != end; ++it, ++found)
            EXPECT_NE(sources.find('"' + (*it)[1].str() + '"'), std::string::npos) << (*it)[1];
    }
    EXPECT_GT(found, 20);
}

TEST(hygiene, settings_named_in_documents_exist) {
    std::set<std::string> keys;
    std::set<std::string> sections;
    std::set<std::string> variables;
    for (auto const& s : all_settings()) {
        keys.insert(s.key);
        sections.insert(s.key.substr(0, s.key.find('.')));
        variables.insert(s.environment_variable);
    }
    std::set<std::string> const event_types = {"delivery.exhausted"}; // reads like a setting
    std::regex const dotted(R"re(`([a-z]+)\.([a-z_]+)`)re");
    std::regex const variable(R"re(KLEN_WEBHOOKS_[A-Z0-9_]+)re");
    std::set<std::string> const of_the_command_line = {"KLEN_WEBHOOKS_URL", "KLEN_WEBHOOKS_KEY", "KLEN_WEBHOOKS_SECRET",
                                                       "KLEN_WEBHOOKS_CONFIG", "KLEN_WEBHOOKS_ACCOUNT"};
    for (auto const& document : documents()) {
        std::string const text = read(document);
        for (std::sregex_iterator it(text.begin(), text.end(), dotted), end; it != end; ++it) {
            auto const name = (*it)[1].str() + "." + (*it)[2].str();
            if (sections.contains((*it)[1]) && !event_types.contains(name)) {
                EXPECT_TRUE(keys.contains(name)) << shown(document) << " names " << it->str();
            }
        }
        for (std::sregex_iterator it(text.begin(), text.end(), variable), end; it != end; ++it) {
            std::string name = it->str();
            if (name.ends_with("_FILE"))
                name.resize(name.size() - 5);
            EXPECT_TRUE(variables.contains(name) || of_the_command_line.contains(name) || name.ends_with("_"))
                << shown(document) << " names " << it->str();
        }
    }
}

} // namespace
} // namespace klen::webhooks
