#include "klen/webhooks/base/log.hpp"

#include "base/log_sink.hpp"
#include "klen/webhooks/base/result.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include <boost/json.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace klen::webhooks::log {
namespace {

using testing::HasSubstr;
using testing::Not;

class log_files : public testing::Test {
  protected:
    log_files() {
        std::string pattern = testing::TempDir() + "klen_log_XXXXXX";
        dir_ = ::mkdtemp(pattern.data());
        file_ = dir_ + "/klen.log";
    }
    ~log_files() override {
        start({.min = level::warn}); // away from the file that goes
        std::filesystem::remove_all(dir_);
    }

    static std::string contents(std::string const& file) {
        std::ifstream in(file, std::ios::binary);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }
    static std::vector<std::string> lines(std::string const& file) {
        std::istringstream in(contents(file));
        std::vector<std::string> out;
        for (std::string line; std::getline(in, line);)
            out.push_back(line);
        return out;
    }

    std::string dir_;
    std::string file_;
};

TEST_F(log_files, lines_are_in_the_file_after_a_flush) {
    start({.file = file_});
    info("service started", {{"port", 8080}});
    flush();
    EXPECT_THAT(contents(file_), HasSubstr(" info  service started  port=8080\n"));
}

TEST_F(log_files, level_decides_and_can_be_changed) {
    start({.min = level::warn, .file = file_});
    EXPECT_FALSE(enabled(level::info));
    info("unseen");
    warn("seen");
    set_level(level::debug);
    debug("seen too");
    set_level(level::off);
    error("unseen at all");
    flush();
    EXPECT_THAT(contents(file_), Not(HasSubstr("unseen")));
    EXPECT_EQ(lines(file_).size(), 2u);
}

TEST_F(log_files, file_is_appended_to_and_not_readable_for_everybody) {
    std::ofstream(file_) << "from before\n";
    start({.file = file_});
    info("new");
    flush();
    EXPECT_THAT(contents(file_), testing::StartsWith("from before\n"));

    std::string const fresh = dir_ + "/fresh.log";
    start({.file = fresh});
    struct stat s {};
    ASSERT_EQ(::stat(fresh.c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 07, 0u);
}

TEST_F(log_files, file_that_cannot_be_opened_is_refused_at_the_start) {
    try {
        start({.file = dir_ + "/no/such/folder.log"});
        FAIL() << "started";
    } catch (failure_error const& e) {
        EXPECT_EQ(e.kind(), fault::io);
        EXPECT_THAT(e.what(), HasSubstr("/no/such/folder.log cannot be opened: No such file or directory"));
    }
}

TEST_F(log_files, reopen_goes_on_in_a_new_file_after_rotation) {
    start({.file = file_});
    info("old");
    flush();
    std::filesystem::rename(file_, file_ + ".1");
    info("still the old file");
    flush();
    reopen();
    flush();
    info("new");
    flush();
    EXPECT_THAT(contents(file_ + ".1"), HasSubstr("still the old file"));
    EXPECT_THAT(contents(file_), HasSubstr("new"));
    EXPECT_THAT(contents(file_), Not(HasSubstr("old")));
}

TEST_F(log_files, reopen_that_fails_keeps_the_old_file_and_says_so) {
    std::string const folder = dir_ + "/folder";
    std::filesystem::create_directory(folder);
    start({.file = folder + "/a.log"});
    std::filesystem::rename(folder, dir_ + "/moved");
    reopen();
    flush();
    info("after");
    flush();
    std::string const text = contents(dir_ + "/moved/a.log");
    EXPECT_THAT(text, HasSubstr("error log file not reopened  error.message=\"No such file or directory\""));
    EXPECT_THAT(text, HasSubstr("info  after"));
}

TEST_F(log_files, lines_of_many_threads_stay_whole_and_none_is_lost) {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 5000;
    start({.as = format::json, .file = file_});
    {
        std::vector<std::jthread> writers;
        writers.reserve(threads);
        for (std::size_t t = 0; t < threads; ++t) {
            writers.emplace_back([t] {
                for (std::size_t i = 0; i < each; ++i)
                    info("counted", {{"thread", t}, {"i", i}, {"text", "some \"text\" \n of some length"}});
            });
        }
    }
    flush();
    EXPECT_EQ(lost_lines(), 0u);
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    std::vector<std::int64_t> last(threads, -1);
    for (std::string const& line : lines(file_)) {
        auto const parsed = boost::json::parse(line);
        std::int64_t const t = parsed.at("thread").as_int64();
        std::int64_t const i = parsed.at("i").as_int64();
        EXPECT_GT(i, last[static_cast<std::size_t>(t)]); // in order within a thread
        last[static_cast<std::size_t>(t)] = i;
        seen.emplace(t, i);
    }
    EXPECT_EQ(seen.size(), threads * each);
}

TEST_F(log_files, starting_again_finishes_the_file_before) {
    start({.file = file_});
    info("first");
    start({.file = dir_ + "/second.log"});
    info("second");
    flush();
    EXPECT_THAT(contents(file_), HasSubstr("first"));
    EXPECT_THAT(contents(dir_ + "/second.log"), HasSubstr("second"));
}

// --- the sink, whose bound and disk the test decides ------------------------------------------------

spdlog::details::log_msg message(std::string const& line) {
    return {spdlog::source_loc{}, "test", spdlog::level::info, line};
}

buffered_sink::reports reports() {
    return {.lost = [](std::uint64_t n) { return "lost " + std::to_string(n) + "\n"; },
            .reopen_failed = [](std::string const& why) { return "not reopened: " + why + "\n"; }};
}

/// A named pipe whose reader the test is: a disk that can be made to stall.
class stalled_sink : public log_files {
  protected:
    stalled_sink() {
        pipe_ = dir_ + "/pipe";
        EXPECT_EQ(::mkfifo(pipe_.c_str(), 0600), 0);
        reader_ = ::open(pipe_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        EXPECT_GE(reader_, 0);
    }
    ~stalled_sink() override { ::close(reader_); }

    /// Reads until `enough` says so, or nothing comes any more.
    std::string read_until(std::function<bool(std::string const&)> enough) const {
        std::string out;
        std::array<char, 65536> buffer{};
        while (!enough(out)) {
            pollfd readable{reader_, POLLIN, 0};
            if (::poll(&readable, 1, 20000) != 1)
                break;
            ssize_t const n = ::read(reader_, buffer.data(), buffer.size());
            if (n <= 0)
                break;
            out.append(buffer.data(), static_cast<std::size_t>(n));
        }
        return out;
    }

    /// Sum of all reports; there may be several.
    static std::uint64_t reported_lost(std::string const& text) {
        std::uint64_t out = 0;
        for (auto at = text.find("lost "); at != std::string::npos; at = text.find("lost ", at + 1)) {
            if (text.find('\n', at) != std::string::npos)
                out += std::stoull(text.substr(at + 5));
        }
        return out;
    }

    std::string pipe_;
    int reader_ = -1;
};

TEST_F(stalled_sink, never_blocks_its_callers_and_reports_what_it_lost) {
    constexpr std::size_t bound = 1 << 20;
    buffered_sink sink(pipe_, bound, reports());
    std::string line(1000, 'x');
    line.back() = '\n';
    constexpr std::uint64_t written = 5000; // five times the bound, and nobody reads
    for (std::uint64_t i = 0; i < written; ++i)
        sink.log(message(line));
    std::uint64_t const lost = sink.lost_lines();
    EXPECT_GT(lost, 0u);
    EXPECT_LT(lost, written);

    std::string const all = read_until([&](std::string const& so_far) { return reported_lost(so_far) == lost; });
    EXPECT_EQ(reported_lost(all), lost);
    auto const whole_lines = static_cast<std::uint64_t>(std::ranges::count(all, 'x') / 999);
    EXPECT_EQ(whole_lines, written - lost);
    EXPECT_EQ(sink.lost_lines(), lost);
}

TEST_F(stalled_sink, flush_gives_up_after_a_while) {
    buffered_sink sink(pipe_, 1 << 20, reports());
    std::string line(1000, 'x');
    line.back() = '\n';
    for (int i = 0; i < 500; ++i) // more than a pipe takes
        sink.log(message(line));
    sink.log(message("the last\n"));
    auto const begun = std::chrono::steady_clock::now();
    sink.flush();
    auto const took = std::chrono::steady_clock::now() - begun;
    EXPECT_GT(took, std::chrono::seconds(1));
    EXPECT_LT(took, std::chrono::seconds(20));
    std::string const all = read_until([](std::string const& so_far) { return so_far.ends_with("the last\n"); });
    EXPECT_THAT(all, testing::EndsWith("the last\n"));
    sink.flush();
}

TEST_F(log_files, full_disk_loses_lines_that_are_counted) {
    buffered_sink sink("/dev/full", 1 << 20, reports());
    sink.log(message("one\n"));
    sink.log(message("two\n"));
    sink.flush();
    EXPECT_EQ(sink.lost_lines(), 2u);
}

TEST_F(log_files, sink_that_has_stopped_still_writes) {
    buffered_sink sink(file_, 1 << 20, reports());
    sink.log(message("before\n"));
    sink.stop();
    sink.log(message("after\n"));
    sink.stop();
    sink.flush();
    EXPECT_EQ(contents(file_), "before\nafter\n");
}

// --- repeats ------------------------------------------------------------------------------------------

TEST(throttle, allows_the_first_and_counts_what_it_holds_back) {
    throttle once(std::chrono::hours(1));
    EXPECT_TRUE(once.allow().write);
    EXPECT_FALSE(once.allow().write);
    EXPECT_FALSE(once.allow().write);

    throttle always(std::chrono::milliseconds(0));
    for (int i = 0; i < 3; ++i) {
        auto const v = always.allow();
        EXPECT_TRUE(v.write);
        EXPECT_EQ(v.held_back, 0u);
    }
}

TEST(throttle, tells_how_many_were_held_back) {
    throttle t(std::chrono::milliseconds(1));
    std::uint64_t asked = 0;
    std::uint64_t accounted = 0;
    for (int written = 0; written < 5;) {
        ++asked;
        auto const v = t.allow();
        if (v.write) {
            ++written;
            accounted += 1 + v.held_back;
        }
    }
    EXPECT_EQ(accounted, asked); // the last call was allowed, so nothing is held back any more
}

TEST(throttle, threads_share_one_allowance) {
    throttle once(std::chrono::hours(1));
    std::atomic<int> allowed = 0;
    {
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 1000; ++i)
                    allowed += once.allow().write ? 1 : 0;
            });
        }
    }
    EXPECT_EQ(allowed, 1);
}

// --- the end of the process ---------------------------------------------------------------------------

TEST(bug_death, writes_its_last_words_and_aborts) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(bug("a row too many", {{"delivery_id", "d1"}}), "error a row too many  delivery_id=d1");
    EXPECT_DEATH(
        {
            start({.min = level::off, .as = format::json});
            bug("a row too many", {{"rows", 2}});
        },
        "\"message\":\"a row too many\".*\"rows\":2");
}

TEST(exit_death, lines_before_start_and_before_exit_are_written) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(
        {
            info("unseen");
            warn("early");
            start({});
            info("late");
            std::exit(0);
        },
        testing::ExitedWithCode(0), "warn  early\n.*info  late\n$");
}

} // namespace
} // namespace klen::webhooks::log
