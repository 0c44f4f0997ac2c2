#pragma once

#include "klen/webhooks/base/log.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <spdlog/sinks/sink.h>

namespace klen::webhooks::log {

/// Takes finished lines and has a thread of its own write them.
///
/// Why not spdlog's asynchronous logger: at its bound it either blocks the caller (an io thread with hundreds of
/// deliveries) until the disk answers, or overwrites the oldest lines without a word; it allocates and wakes its
/// thread for each line; and its flush (1.10) does not wait, so the line before an abort would be lost.
class buffered_sink final : public spdlog::sinks::sink {
  public:
    /// Makes a line of its own out of what went wrong here; called by the writing thread.
    struct reports {
        std::function<std::string(std::uint64_t lines)> lost;
        std::function<std::string(std::string const& why)> reopen_failed;
    };

    /// Empty file: stderr. Throws `failure_error` when the file cannot be opened.
    buffered_sink(std::string file, std::size_t buffer_bytes_max, reports make);
    ~buffered_sink() override;

    void log(spdlog::details::log_msg const& message) override;
    void flush() override;
    void set_pattern(std::string const&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

    void reopen();
    void count_lost();
    std::uint64_t lost_lines();
    /// Writes what is left, for two seconds at most, and ends the thread. Later lines are written by their callers.
    void stop();

  private:
    void run();
    void wait_for_work(std::unique_lock<std::mutex>& lock);
    void write_round(std::unique_lock<std::mutex>& lock);
    void open_again();
    /// Number of lines that could not be written.
    std::uint64_t write_lines(std::string_view lines);

    std::string const file_;
    std::size_t const buffer_bytes_max_;
    reports const make_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable progress_;
    std::string pending_;        // finished lines that the thread has not taken yet
    std::string batch_;          // what the thread is writing; its own
    std::uint64_t taken_in_ = 0; // bytes ever appended to pending_
    std::uint64_t done_ = 0;     // of those, written or lost
    std::uint64_t lost_ = 0;     // lines lost and not reported yet
    std::uint64_t lost_ever_ = 0;
    bool urgent_ = false; // write now instead of gathering on
    bool reopen_ = false;
    bool stopping_ = false;
    bool stopped_ = false;

    int fd_ = -1;         // the thread's own, until it has stopped
    throttle complaints_; // to stderr, about a file that cannot be written
    bool torn_ = false;   // the last write ended inside a line
    std::thread thread_;
};

} // namespace klen::webhooks::log
