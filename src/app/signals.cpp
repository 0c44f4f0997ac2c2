#include "app/signals.hpp"

#include "klen/webhooks/app/application.hpp"

#include <csignal>
#include <ctime>

#include <unistd.h>

namespace klen::webhooks::app {

namespace {

sigset_t handled() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

extern "C" void leave_at_once(int) { ::_exit(exit_failed); }

} // namespace

signals::signals() {
    std::signal(SIGPIPE, SIG_IGN);
    auto const set = handled();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

signals::~signals() {
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGINT, SIG_DFL);
    auto const set = handled();
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

signals::what signals::wait(std::chrono::milliseconds at_most) {
    auto const set = handled();
    auto const whole = std::chrono::duration_cast<std::chrono::seconds>(at_most);
    timespec const bound{static_cast<time_t>(whole.count()), static_cast<long>((at_most - whole).count() * 1'000'000)};
    switch (sigtimedwait(&set, nullptr, &bound)) {
    case SIGTERM:
    case SIGINT:
        return what::stop;
    case SIGHUP:
        return what::reopen_log;
    default:
        return what::nothing;
    }
}

bool signals::stop_pending() const {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

void signals::die_at_next() {
    struct sigaction action {};
    action.sa_handler = leave_at_once;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

} // namespace klen::webhooks::app
