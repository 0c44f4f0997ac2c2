#include "klen/webhooks/store/private_postgres.hpp"

#include "store/server_process.hpp"
#include "store/session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks::store {
namespace {

namespace fs = std::filesystem;

TEST(default_private_dir, is_never_a_place_that_does_not_last) {
    EXPECT_EQ(default_private_dir(true, "/state", "/home/u"), "/var/lib/klen-webhooks");
    EXPECT_EQ(default_private_dir(false, "/state", "/home/u"), "/state/klen-webhooks");
    EXPECT_EQ(default_private_dir(false, "", "/home/u"), "/home/u/.local/state/klen-webhooks");
    EXPECT_EQ(default_private_dir(false, "state", "/home/u"), "/home/u/.local/state/klen-webhooks");
    EXPECT_EQ(default_private_dir(false, "", ""), "");
    EXPECT_EQ(default_private_dir(false, "", "home"), "");
}

class private_postgres_test : public testing::Test {
  protected:
    void SetUp() override {
        auto pattern = (fs::temp_directory_path() / "klen-private-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        ASSERT_EQ(chmod(pattern.c_str(), 0755), 0);
        root_ = pattern;
        options_.dir = pattern + "/state";
        options_.fsync = false;
    }
    void TearDown() override {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    static std::string ask(private_postgres const& server, std::string const& sql) { return ask(server.url(), sql); }
    static std::string ask(std::string const& url, std::string const& sql) {
        session link({.url = url}, {.name = "test"});
        auto const answer = link.run_text(sql);
        return !answer ? answer.error().message : answer->empty() ? "" : std::string(answer->text(0, 0));
    }

    std::string root_;
    private_postgres_options options_;
};

/// A daemon that holds the folder, in a process of its own, to be killed. Says on a pipe when it is ready.
pid_t fork_daemon(private_postgres_options const& options) {
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    pid_t const child = fork();
    if (child == 0) {
        auto server = private_postgres::start(options);
        char const ok = server ? 'y' : 'n';
        [[maybe_unused]] auto const written = write(ends[1], &ok, 1);
        for (;;)
            pause();
    }
    char ready = 'n';
    close(ends[1]);
    [[maybe_unused]] auto const got = read(ends[0], &ready, 1);
    close(ends[0]);
    EXPECT_EQ(ready, 'y');
    return child;
}

TEST_F(private_postgres_test, starts_keeps_its_data_over_a_restart_and_stops) {
    pid_t postmaster = 0;
    {
        auto server = private_postgres::start(options_);
        ASSERT_TRUE(server) << server.error().message;
        EXPECT_TRUE((*server)->first_start());
        EXPECT_TRUE((*server)->running());
        EXPECT_EQ(ask(**server, "CREATE TABLE kept AS SELECT 42 AS a; SELECT a FROM kept"), "42");
        std::ifstream(options_.dir + "/data/postmaster.pid") >> postmaster;
        EXPECT_EQ(kill(postmaster, 0), 0);
    }
    EXPECT_NE(kill(postmaster, 0), 0);
    auto again = private_postgres::start(options_);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_FALSE((*again)->first_start());
    EXPECT_EQ(ask(**again, "SELECT a FROM kept"), "42");
    EXPECT_TRUE((*again)->uri().starts_with("postgresql://klen@/")) << (*again)->uri();
    EXPECT_EQ(ask((*again)->uri(), "SELECT a FROM kept"), "42");
    (*again)->stop();
    (*again)->stop();
    EXPECT_FALSE((*again)->running());
}

TEST_F(private_postgres_test, listens_on_no_network_and_never_runs_as_root) {
    auto server = private_postgres::start(options_);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(ask(**server, "SHOW listen_addresses"), "");
    EXPECT_EQ(ask(**server, "SHOW server_encoding"), "UTF8");
    pid_t postmaster = 0;
    std::ifstream(options_.dir + "/data/postmaster.pid") >> postmaster;
    struct stat is {};
    ASSERT_EQ(stat(("/proc/" + std::to_string(postmaster)).c_str(), &is), 0);
    EXPECT_NE(is.st_uid, 0U);
    EXPECT_EQ(getsid(postmaster), postmaster); // not in our session: no Ctrl-C of a terminal reaches it
    ASSERT_EQ(stat((options_.dir + "/socket").c_str(), &is), 0);
    EXPECT_EQ(is.st_mode & 0777, 0700U);
}

TEST_F(private_postgres_test, a_second_daemon_on_the_folder_is_refused_by_name) {
    auto const first = fork_daemon(options_);
    auto const second = private_postgres::start(options_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, fault::conflict);
    EXPECT_NE(second.error().message.find("pid " + std::to_string(first)), std::string::npos) << second.error().message;
    EXPECT_NE(second.error().message.find(options_.dir), std::string::npos);
    kill(first, SIGKILL);
    waitpid(first, nullptr, 0);
    auto const after = private_postgres::start(options_); // ends what the killed one left behind
    EXPECT_TRUE(after) << after.error().message;
}

TEST_F(private_postgres_test, recovers_after_the_daemon_was_killed) {
    auto const first = fork_daemon(options_);
    pid_t postmaster = 0;
    std::ifstream(options_.dir + "/data/postmaster.pid") >> postmaster;
    kill(first, SIGKILL);
    waitpid(first, nullptr, 0);
    auto const server = private_postgres::start(options_);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(ask(**server, "SELECT 1"), "1");
    auto const now = processes_in(options_.dir + "/data", choose_server_user("").value());
    EXPECT_EQ(std::ranges::count(now, postmaster), 0) << "the old one is still there";
}

TEST_F(private_postgres_test, a_containers_root_sees_the_server_that_a_killed_daemon_left) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root runs it as another user";
    auto const server = private_postgres::start(options_);
    ASSERT_TRUE(server) << server.error().message;
    pid_t postmaster = 0;
    std::ifstream(options_.dir + "/data/postmaster.pid") >> postmaster;
    std::vector<pid_t> seen;
    std::thread([&] { // capabilities are a thread's own
        __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
        std::array<__user_cap_data_struct, 2> set{};
        ASSERT_EQ(syscall(SYS_capget, &head, set.data()), 0);
        set[0].effective &= ~(1U << CAP_SYS_PTRACE);
        ASSERT_EQ(syscall(SYS_capset, &head, set.data()), 0);
        seen = processes_in(options_.dir + "/data", choose_server_user("").value());
    })
        .join();
    EXPECT_EQ(std::ranges::count(seen, postmaster), 1);
}

TEST_F(private_postgres_test, recovers_after_everything_was_killed) {
    auto const first = fork_daemon(options_);
    pid_t postmaster = 0;
    std::ifstream(options_.dir + "/data/postmaster.pid") >> postmaster;
    kill(postmaster, SIGKILL);
    kill(first, SIGKILL);
    waitpid(first, nullptr, 0);
    auto const server = private_postgres::start(options_);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(ask(**server, "SELECT 1"), "1");
}

TEST_F(private_postgres_test, a_pid_file_that_names_a_stranger_does_not_stop_it) {
    { ASSERT_TRUE(private_postgres::start(options_)); }
    std::ofstream(options_.dir + "/data/postmaster.pid") << getpid() << "\n" << options_.dir << "/data\n";
    auto const server = private_postgres::start(options_);
    EXPECT_TRUE(server) << server.error().message;
}

TEST_F(private_postgres_test, keeps_files_that_only_the_daemon_reads) {
    auto server = private_postgres::start(options_);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(*(*server)->keep_file("key", "first"), "first");
    EXPECT_EQ(*(*server)->keep_file("key", "second"), "first");
    struct stat is {};
    ASSERT_EQ(stat((options_.dir + "/key").c_str(), &is), 0);
    EXPECT_EQ(is.st_mode & 0777, 0600U);
    EXPECT_EQ(is.st_uid, geteuid());
}

TEST_F(private_postgres_test, a_long_folder_name_gets_a_short_socket) {
    options_.dir = root_ + "/" + std::string(120, 'd');
    auto server = private_postgres::start(options_);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(ask(**server, "SELECT 1"), "1");
}

TEST_F(private_postgres_test, a_folder_that_the_servers_user_cannot_enter_is_named) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root runs it as another user";
    ASSERT_EQ(chmod(root_.c_str(), 0700), 0);
    auto const refused = private_postgres::start(options_);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("cannot enter " + root_), std::string::npos) << refused.error().message;
}

TEST_F(private_postgres_test, a_server_that_does_not_come_up_shows_its_log) {
    { ASSERT_TRUE(private_postgres::start(options_)); }
    std::ofstream(options_.dir + "/postgresql.extra.conf") << "shared_buffers = nonsense\n";
    auto const refused = private_postgres::start(options_);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("shared_buffers"), std::string::npos) << refused.error().message;
}

TEST_F(private_postgres_test, missing_programs_are_named) {
    options_.bin_dir = root_;
    auto const refused = private_postgres::start(options_);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("PostgreSQL 15 or later was not found"), std::string::npos);
}

} // namespace
} // namespace klen::webhooks::store
