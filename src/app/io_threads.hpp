#pragma once

#include "klen/webhooks/base/async.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::app {

/// Threads with an io_context each, watched (thread_watch.hpp): one that hangs in a computation or a system call stops
/// answering, though the process lives.
class io_threads {
  public:
    /// `name`: of the threads, a number is added. Nothing runs before `start`.
    io_threads(std::string name, std::size_t count);
    /// As `stop`.
    ~io_threads();
    io_threads(io_threads const&) = delete;
    io_threads& operator=(io_threads const&) = delete;

    void start();
    /// Ends the threads when what is ready has run; what still waits is dropped. Idempotent.
    void stop();

    std::size_t size() const { return threads_.size(); }
    asio::io_context& context(std::size_t index) { return threads_[index]->context; }
    executor at(std::size_t index) { return threads_[index]->context.get_executor(); }
    std::vector<asio::io_context*> contexts();

  private:
    struct one {
        asio::io_context context{1};
        asio::executor_work_guard<asio::io_context::executor_type> busy{context.get_executor()};
        asio::steady_timer beat{context};
        std::string name;
        std::thread thread;
    };
    static void beat(one& thread);

    std::vector<std::unique_ptr<one>> threads_;
};

} // namespace klen::webhooks::app
