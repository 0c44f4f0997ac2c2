#include "support/test_postgres.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks::test {

namespace {

constexpr std::chrono::seconds start_timeout{90};

int open_lock(std::string const& name) {
    auto const path = test_postgres_dir() + "/" + name + ".lock";
    int const fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        throw std::runtime_error("cannot open " + path);
    return fd;
}

std::string ready_host() {
    std::ifstream in(test_postgres_dir() + "/ready");
    std::string host;
    std::getline(in, host);
    return host;
}

void spawn_server() {
    std::string const program = KLEN_TEST_POSTGRES;
    std::string const log = test_postgres_dir() + "/server.log";
    std::string const dir = test_postgres_dir();
    char* const argv[] = {const_cast<char*>(program.c_str()), const_cast<char*>(dir.c_str()), nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    // ctest waits until nobody holds a test's output any more, so the server must not inherit it.
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    pid_t pid = 0;
    int const error = posix_spawn(&pid, program.c_str(), &files, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0)
        throw std::runtime_error("cannot start " + program);
    waitpid(pid, nullptr, 0); // it goes to the background at once
}

/// Under the `start` lock.
std::string start_or_find() {
    int const server = open_lock("server");
    auto const deadline = std::chrono::steady_clock::now() + start_timeout;
    bool started = false;
    for (;;) {
        // A server that is ending still holds its lock, but has removed `ready`.
        if (auto host = ready_host(); !host.empty()) {
            if (flock(server, LOCK_EX | LOCK_NB) != 0) {
                close(server);
                return host;
            }
            std::filesystem::remove(test_postgres_dir() + "/ready"); // left by one that was killed
            flock(server, LOCK_UN);
        }
        if (flock(server, LOCK_EX | LOCK_NB) == 0) {
            flock(server, LOCK_UN);
            if (started)
                throw std::runtime_error("the tests' PostgreSQL ended; see " + test_postgres_dir() + "/server.log");
            spawn_server();
            started = true;
        }
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("the tests' PostgreSQL did not start; see " + test_postgres_dir() + "/server.log");
        ::poll(nullptr, 0, 20);
    }
}

} // namespace

std::string test_postgres_dir() { return std::string(KLEN_TEST_POSTGRES_DIR); }

test_postgres use_test_postgres() {
    std::filesystem::create_directories(test_postgres_dir());
    int const clients = open_lock("clients");
    flock(clients, LOCK_SH);
    int const start = open_lock("start");
    flock(start, LOCK_EX);
    try {
        auto host = start_or_find();
        close(start);
        return test_postgres(std::move(host), clients);
    } catch (...) {
        // The next test tries again: it must not wait for a lock that this process holds.
        close(start);
        close(clients);
        throw;
    }
}

test_postgres::test_postgres(test_postgres&& other) noexcept
    : host_(std::move(other.host_)), clients_(std::exchange(other.clients_, -1)) {}

test_postgres::~test_postgres() {
    if (clients_ >= 0)
        close(clients_);
}

std::string test_postgres::url_of(std::string const& database) const {
    return "host='" + host_ + "' port=5432 user=klen dbname=" + database;
}

} // namespace klen::webhooks::test
