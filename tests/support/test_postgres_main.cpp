// The PostgreSQL that the tests of one build folder share: `klen_test_postgres <folder>`. See test_postgres.hpp.
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/store/migrations.hpp"
#include "klen/webhooks/store/private_postgres.hpp"

#include "support/test_postgres.hpp"

#include "store/session.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
namespace kw = klen::webhooks;

constexpr std::chrono::seconds linger{4};
volatile std::sig_atomic_t asked_to_end = 0;

int lock_file(std::string const& dir, char const* name, int how) {
    int const fd = open((dir + "/" + name + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && flock(fd, how) == 0 ? fd : -1;
}

/// True when nobody uses the server; then nobody can begin to until the process ends.
bool nobody_is_left(std::string const& dir, int clients) {
    if (flock(clients, LOCK_EX | LOCK_NB) != 0)
        return false;
    fs::remove(dir + "/ready");
    return true;
}

/// Waits until there was no client for a while, or a signal came.
void wait_for_the_last(std::string const& dir) {
    int const clients = open((dir + "/clients.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    auto last_used = std::chrono::steady_clock::now();
    while (asked_to_end == 0) {
        ::poll(nullptr, 0, 200);
        auto const now = std::chrono::steady_clock::now();
        if (flock(clients, LOCK_EX | LOCK_NB) != 0) {
            last_used = now;
            continue;
        }
        flock(clients, LOCK_UN);
        if (now - last_used > linger && nobody_is_left(dir, clients))
            return;
    }
}

void make_template(std::string const& url) {
    kw::store::session link({.url = url}, {.name = "tests"});
    link.run_text(std::string("CREATE DATABASE ") + kw::test::test_postgres::template_name).value();
}

int serve(std::string const& dir, std::string const& data) {
    kw::store::private_postgres_options options;
    options.dir = data;
    options.fsync = false;
    auto server = kw::store::private_postgres::start(options).value();
    auto const url = server->url();
    auto const url_of = [&](std::string const& name) { return url.substr(0, url.rfind("dbname=")) + "dbname=" + name; };
    make_template(url_of("postgres"));
    kw::store::migrate({.url = url_of(kw::test::test_postgres::template_name)}).value();
    std::ofstream(dir + "/ready.new") << url.substr(6, url.find('\'', 6) - 6) << "\n"; // host='…'
    fs::rename(dir + "/ready.new", dir + "/ready");
    wait_for_the_last(dir);
    server->stop();
    return 0;
}

} // namespace

int main(int, char** argv) {
    std::string const dir = argv[1];
    // Before the fork: whoever waits for the first process takes a free lock for a server that has ended.
    if (lock_file(dir, "server", LOCK_EX | LOCK_NB) < 0)
        return 1;
    if (fork() != 0)
        _exit(0);
    setsid();
    std::signal(SIGTERM, [](int) { asked_to_end = 1; });
    std::signal(SIGINT, [](int) { asked_to_end = 1; });
    // Not in the build folder: the server's user may not be able to enter it.
    auto const data = (fs::temp_directory_path() / ("klen-test-postgres-" + std::to_string(getuid()) + "-" +
                                                    std::to_string(std::hash<std::string>{}(dir))))
                          .string();
    fs::remove_all(data);
    int status = 1;
    try {
        status = serve(dir, data);
    } catch (std::exception const& e) {
        std::cerr << e.what() << "\n";
    }
    fs::remove(dir + "/ready");
    std::error_code ignored;
    fs::remove_all(data, ignored);
    return status;
}
