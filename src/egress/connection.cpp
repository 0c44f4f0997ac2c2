#include "egress/connection.hpp"

#include <boost/asio/redirect_error.hpp>

#include <sys/socket.h>

#include <cerrno>

namespace klen::webhooks::egress {

connection::connection(executor const& ex) : socket_(ex), timer_(ex) {}
connection::~connection() = default;

task<connection::error_code> connection::connect(asio::ip::tcp::endpoint to, steady_time until) {
    auto const self = shared_from_this();
    error_code ec;
    socket_.open(to.protocol(), ec);
    if (ec)
        co_return ec;
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    arm(until);
    co_await socket_.async_connect(to, asio::redirect_error(use_task, ec));
    disarm();
    if (ec) {
        close();
        co_return ec;
    }
    peer_ = socket_.remote_endpoint(ec);
    if (ec) {
        // Accepted, and reset before we could look.
        close();
        ec = asio::error::connection_reset;
    }
    co_return ec;
}

bool connection::is_quiet() {
    if (!socket_.is_open())
        return false;
    char byte = 0;
    auto const n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void connection::close() {
    error_code ignored;
    socket_.close(ignored);
    disarm();
    if (timer_waiting_) {
        timer_waiting_ = false;
        ++timer_wait_;
        timer_.cancel();
    }
}

void connection::arm(steady_time until) {
    until_ = until;
    armed_ = true;
    timed_out_ = false;
    if (!timer_waiting_ || until < timer_expiry_)
        wait_until(until);
}

void connection::wait_until(steady_time at) {
    timer_expiry_ = at;
    timer_waiting_ = true;
    timer_.expires_at(at); // drops an earlier wait
    timer_.async_wait([weak = weak_from_this(), wait = ++timer_wait_](error_code const&) {
        if (auto const self = weak.lock(); self && self->timer_wait_ == wait)
            self->timer_fired();
    });
}

void connection::timer_fired() {
    timer_waiting_ = false;
    if (!armed_)
        return;
    if (std::chrono::steady_clock::now() < until_)
        wait_until(until_);
    else
        expire();
}

void connection::expire() {
    close();
    timed_out_ = true;
}

void connection::write_ended() {
    writing_ = false;
    if (auto const wake = std::exchange(on_write_end_, nullptr))
        wake();
}

task<void> connection::wait_for_write_end() {
    one_shot<bool> ended;
    auto const set = ended.set();
    on_write_end_ = [set] { set(true); };
    co_await ended.wait();
}

} // namespace klen::webhooks::egress
