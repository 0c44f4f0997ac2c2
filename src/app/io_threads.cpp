#include "app/io_threads.hpp"

#include <algorithm>

#include <pthread.h>

namespace klen::webhooks::app {

namespace {

std::int64_t steady_ns() {
    auto const now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

} // namespace

io_threads::io_threads(std::string name, std::size_t count) : name_(std::move(name)) {
    for (std::size_t i = 0; i < count; ++i)
        threads_.push_back(std::make_unique<one>());
}

io_threads::~io_threads() { stop(); }

void io_threads::start() {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
        auto& t = *threads_[i];
        beat(t);
        t.thread = std::thread([&t] { t.context.run(); });
        auto const name = (name_ + (threads_.size() == 1 ? "" : std::to_string(i))).substr(0, 15);
        pthread_setname_np(t.thread.native_handle(), name.c_str());
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
    thread.answered_ns.store(steady_ns(), std::memory_order_relaxed);
    thread.beat.expires_after(std::chrono::milliseconds(500));
    thread.beat.async_wait([&thread](boost::system::error_code ec) {
        if (!ec)
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

bool io_threads::answer(std::chrono::milliseconds bound) const {
    auto const oldest = steady_ns() - std::chrono::duration_cast<std::chrono::nanoseconds>(bound).count();
    return std::ranges::all_of(
        threads_, [oldest](auto const& t) { return t->answered_ns.load(std::memory_order_relaxed) >= oldest; });
}

} // namespace klen::webhooks::app
