#pragma once

#include "egress/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>

#include <exception>

namespace klen::webhooks::egress {

/// Included by the sources of the two kinds of connection only: what it instantiates takes long to compile. A `Stream`
/// reads and writes as `tls_stream` does.
template <class Stream>
task<connection::error_code> connection::exchange_over(Stream* stream, std::string_view body, response_reader* reader,
                                                       steady_time deadline) {
    auto const self = shared_from_this(); // the write's handler may come after the caller has let go
    if (std::chrono::steady_clock::now() >= deadline) {
        expire();
        reader->end_of_stream();
        co_return error_code{};
    }
    arm(deadline);
    writing_ = true;
    // An error while writing is not acted upon: reading gives what has arrived, and then the same error.
    stream->start_write(head_, body, [self] { self->write_ended(); });

    error_code ec;
    bool cancelled = false;
    std::exception_ptr thrown;
    while (reader->wants_more()) {
        try {
            std::size_t const n = co_await stream->read_some(asio::buffer(in_), ec);
            reader->feed({in_.data(), n});
        } catch (...) {
            thrown = std::current_exception();
        }
        asio::cancellation_state const asked = co_await asio::this_coro::cancellation_state;
        cancelled = asked.cancelled() != asio::cancellation_type::none;
        if (ec || cancelled || thrown)
            break;
        // Reads that find data at once may keep the timer waiting.
        if (std::chrono::steady_clock::now() >= deadline) {
            expire();
            break;
        }
    }
    disarm();
    if (reader->wants_more())
        reader->end_of_stream();
    if (writing_ || cancelled || thrown || !reader->reusable())
        close();
    if (writing_) {
        // The write refers to the caller's body. Closed, it ends within one turn of the loop.
        if (cancelled)
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await wait_for_write_end();
    }
    if (cancelled)
        throw boost::system::system_error(asio::error::operation_aborted);
    if (thrown)
        std::rethrow_exception(thrown);
    co_return ec;
}

} // namespace klen::webhooks::egress
