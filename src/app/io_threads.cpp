#include "app/io_threads.hpp"

#include "klen/webhooks/base/thread_watch.hpp"

namespace klen::webhooks::app {

io_threads::io_threads(std::string name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        threads_.push_back(std::make_unique<one>());
        threads_.back()->name = name + (count == 1 ? "" : std::to_string(i));
    }
}

io_threads::~io_threads() { stop(); }

void io_threads::start() {
    for (auto& each : threads_) {
        auto& t = *each;
        beat(t);
        t.thread = std::thread([&t] {
            watched_thread const watched(t.name, duty::deliveries);
            thread_does const now(doing::work);
            t.context.run();
        });
    }
}

void io_threads::stop() {
    for (auto& t : threads_)
        t->context.stop();
    for (auto& t : threads_) {
        if (t->thread.joinable())
            t->thread.join();
    }
}

void io_threads::beat(one& thread) {
    thread.beat.expires_after(std::chrono::milliseconds(500));
    thread.beat.async_wait([&thread](boost::system::error_code ec) {
        if (ec)
            return;
        work_goes_on();
        beat(thread);
    });
}

std::vector<asio::io_context*> io_threads::contexts() {
    std::vector<asio::io_context*> out;
    out.reserve(threads_.size());
    for (auto& t : threads_)
        out.push_back(&t->context);
    return out;
}

} // namespace klen::webhooks::app
