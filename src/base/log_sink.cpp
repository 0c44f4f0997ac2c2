#include "base/log_sink.hpp"

#include "klen/webhooks/base/result.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace klen::webhooks::log {

namespace {

using namespace std::chrono_literals;

/// How long lines are gathered before they are written in one go: at 30,000 lines a second this is the difference
/// between a hundred and some ten thousand wake-ups and system calls.
constexpr auto gather_time = 10ms;
constexpr auto flush_time_max = 2s;
constexpr auto report_again_after = 1s;
constexpr auto complain_again_after = 1min;
constexpr std::size_t kept_buffer_bytes = std::size_t{1} << 20;

int open_log(std::string const& file) {
    return ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

/// The log file is of no use: perhaps somebody reads stderr.
void complain(std::string const& line) {
    ssize_t const ignored = ::write(STDERR_FILENO, line.data(), line.size());
    static_cast<void>(ignored);
}

/// A signal handler must not run here, and a closed pipe is to be an error code, not the end of the process.
void block_all_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

} // namespace

buffered_sink::buffered_sink(std::string file, std::size_t buffer_bytes_max, reports make)
    : file_(std::move(file)), buffer_bytes_max_(buffer_bytes_max), make_(std::move(make)),
      complaints_(complain_again_after) {
    fd_ = file_.empty() ? STDERR_FILENO : open_log(file_);
    if (fd_ < 0)
        throw failure_error({fault::io, "the log file " + file_ + " cannot be opened: " + std::strerror(errno)});
    thread_ = std::thread([this] { run(); });
}

buffered_sink::~buffered_sink() {
    stop();
    if (!file_.empty() && fd_ >= 0)
        ::close(fd_);
}

void buffered_sink::log(spdlog::details::log_msg const& message) {
    std::unique_lock lock(mutex_);
    if (stopped_) {
        write_lines({message.payload.data(), message.payload.size()});
        return;
    }
    if (pending_.size() + message.payload.size() > buffer_bytes_max_) {
        ++lost_;
        ++lost_ever_;
        return;
    }
    bool const was_empty = pending_.empty();
    pending_.append(message.payload.data(), message.payload.size());
    taken_in_ += message.payload.size();
    bool const now = message.level >= spdlog::level::err || pending_.size() > buffer_bytes_max_ / 4;
    bool const wake = was_empty || (now && !urgent_);
    urgent_ = urgent_ || now;
    lock.unlock();
    if (wake)
        wake_.notify_one();
}

void buffered_sink::flush() {
    std::unique_lock lock(mutex_);
    std::uint64_t const target = taken_in_;
    urgent_ = true;
    wake_.notify_one();
    progress_.wait_for(lock, flush_time_max, [&] { return stopped_ || (done_ >= target && !reopen_); });
}

void buffered_sink::reopen() {
    std::lock_guard lock(mutex_);
    reopen_ = true;
    wake_.notify_one();
}

void buffered_sink::count_lost() {
    std::lock_guard lock(mutex_);
    ++lost_;
    ++lost_ever_;
}

std::uint64_t buffered_sink::lost_lines() {
    std::lock_guard lock(mutex_);
    return lost_ever_;
}

void buffered_sink::stop() {
    {
        std::unique_lock lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
        progress_.wait_for(lock, flush_time_max, [&] { return stopped_; });
        if (!stopped_) {
            // The disk hangs. Whoever ends the process cannot wait for it; the object stays for the thread's sake.
            if (thread_.joinable())
                thread_.detach();
            return;
        }
    }
    if (thread_.joinable())
        thread_.join();
}

void buffered_sink::run() {
    block_all_signals();
    std::unique_lock lock(mutex_);
    while (!stopping_ || !pending_.empty()) {
        wait_for_work(lock);
        write_round(lock);
    }
    stopped_ = true;
    progress_.notify_all();
}

void buffered_sink::wait_for_work(std::unique_lock<std::mutex>& lock) {
    auto const asked = [this] { return stopping_ || reopen_ || urgent_ || !pending_.empty(); };
    if (lost_ == 0)
        wake_.wait(lock, asked);
    else
        wake_.wait_for(lock, report_again_after, asked);
    wake_.wait_for(lock, gather_time, [this] { return stopping_ || reopen_ || urgent_; });
}

void buffered_sink::write_round(std::unique_lock<std::mutex>& lock) {
    bool const again = std::exchange(reopen_, false);
    urgent_ = false;
    std::swap(batch_, pending_);
    std::uint64_t lost = lost_;
    lock.unlock();

    if (again)
        open_again();
    std::uint64_t const unwritten = write_lines(batch_);
    std::uint64_t reported = 0;
    if (unwritten == 0 && lost > 0 && write_lines(make_.lost(lost)) == 0)
        reported = lost;

    if (unwritten > 0 && !file_.empty() && complaints_.allow().write)
        complain(make_.lost(unwritten));

    lock.lock();
    done_ += batch_.size();
    lost_ += unwritten;
    lost_ever_ += unwritten;
    lost_ -= reported;
    batch_.clear();
    if (batch_.capacity() > kept_buffer_bytes)
        batch_.shrink_to_fit();
    progress_.notify_all();
}

void buffered_sink::open_again() {
    if (file_.empty())
        return;
    int const fresh = open_log(file_);
    if (fresh < 0) {
        write_lines(make_.reopen_failed(std::strerror(errno)));
        return;
    }
    ::close(std::exchange(fd_, fresh));
    torn_ = false;
}

std::uint64_t buffered_sink::write_lines(std::string_view lines) {
    if (torn_ && !lines.empty()) {
        // A full disk cut the last line off: end it, or the next would be glued to it.
        if (::write(fd_, "\n", 1) != 1)
            return static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
        torn_ = false;
    }
    while (!lines.empty()) {
        ssize_t const n = ::write(fd_, lines.data(), lines.size());
        if (n >= 0) {
            torn_ = n > 0 && lines[static_cast<std::size_t>(n) - 1] != '\n';
            lines.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            pollfd writable{fd_, POLLOUT, 0}; // a pipe that somebody made non-blocking
            ::poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
        }
    }
    return 0;
}

} // namespace klen::webhooks::log
