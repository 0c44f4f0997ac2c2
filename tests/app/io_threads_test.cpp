#include "app/io_threads.hpp"

#include "klen/webhooks/base/thread_watch.hpp"
#include "store/store_support.hpp"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

TEST(io_threads, a_handler_that_does_not_return_is_told) {
    io_threads threads("io", 2);
    threads.start();
    std::promise<void> go;
    asio::post(threads.at(1), [&] { go.get_future().wait(); });
    auto const look = [] {
        ::poll(nullptr, 0, 100); // their beat is half a second
        look_at_threads();
        return hung_delivery_threads();
    };
    EXPECT_TRUE(test::eventually([&] { return look() == "io1"; })) << "and not the one that is idle";
    go.set_value();
    EXPECT_TRUE(test::eventually([&] { return look().empty(); })) << "its beat goes on";
}

} // namespace
} // namespace klen::webhooks::app
