#include "app/blocking.hpp"

#include <boost/asio/io_context.hpp>

namespace klen::webhooks::app {

void run_here(std::function<task<void>()> body) {
    // Outlives the call: a thread of the store that posted the last result may still be inside post() when that result
    // is here already. It has joined when this thread ends.
    thread_local asio::io_context context{1};
    context.restart();
    std::exception_ptr failed;
    auto done = [&failed](std::exception_ptr error) { failed = error; };
    asio::co_spawn(context.get_executor(), body(), std::move(done));
    context.run();
    if (failed)
        std::rethrow_exception(failed);
}

} // namespace klen::webhooks::app
