#include "io_worker.hpp"

#include "connection.hpp"

#include <boost/asio/redirect_error.hpp>

#include <algorithm>
#include <ctime>

namespace klen::webhooks::api {

namespace {

/// How late a deadline may be noticed: a quarter of the shortest, within bounds.
milliseconds watch_period(server_config const& config) {
    auto const shortest = std::min({config.header_timeout, config.body_timeout, config.idle_timeout});
    return std::clamp(shortest / 4, milliseconds(10), milliseconds(250));
}

constexpr milliseconds stop_period{10};
/// After their sockets were closed, connections need a moment to notice. A handler that still waits is not waited for.
constexpr milliseconds abort_grace{100};

} // namespace

tls_context_ptr serving::tls() const {
    if (config.tls_certificate_file.empty())
        return nullptr;
    std::lock_guard lock(tls_mutex_);
    return tls_;
}

void serving::set_tls(tls_context_ptr next) {
    std::lock_guard lock(tls_mutex_);
    tls_ = std::move(next);
}

void serving::note_failed_handshake(std::string_view reason) {
    if (reason.empty())
        return;
    if (auto const line = handshake_lines_.allow(); line.write)
        log::warn("a TLS handshake failed", {{"error.message", reason}, {"repeats", line.held_back}});
}

io_worker::io_worker(asio::io_context& context, std::shared_ptr<serving> common)
    : context_(context), common_(std::move(common)), timer_(context), period_(watch_period(common_->config)) {}

std::string_view io_worker::date() { return date_.at(std::time(nullptr)); }

io_worker::listing::listing(io_worker& in, connection& what) : in_(in), what_(what) {
    what_.position = in_.open_.size();
    in_.open_.push_back(&what_);
}

io_worker::listing::~listing() {
    auto& open = in_.open_;
    open[what_.position] = open.back();
    open[what_.position]->position = what_.position;
    open.pop_back();
}

task<void> io_worker::watch() {
    watching_ = true; // already now: a stop may come before the coroutine's first step
    return watch_loop();
}

task<void> io_worker::watch_loop() {
    for (;;) {
        boost::system::error_code ec;
        timer_.expires_after(stopping_ ? stop_period : period_);
        co_await timer_.async_wait(asio::redirect_error(use_task, ec));
        auto const now = std::chrono::steady_clock::now();
        check_deadlines(now);
        if (stopping_ && is_over(now))
            break;
    }
    watching_ = false;
    for (auto const& ended : ended_)
        ended(true);
    ended_.clear();
}

void io_worker::check_deadlines(steady_time now) {
    for (connection* c : open_)
        c->check_deadline(now);
}

bool io_worker::is_over(steady_time now) {
    if (open_.empty())
        return true;
    if (now < until_)
        return false;
    aborting_ = true;
    for (connection* c : open_)
        c->abort();
    return now >= until_ + abort_grace;
}

void io_worker::begin_stop(steady_time until, one_shot<bool>::setter ended) {
    stopping_ = true;
    until_ = std::min(until_, until);
    for (connection* c : open_)
        c->stop_if_idle();
    if (!watching_) {
        ended(true);
        return;
    }
    ended_.push_back(std::move(ended));
    timer_.cancel();
}

void io_worker::begin_wait(connection& what, gives_way when) {
    waiting_hook& hook = what;
    hook.unlink();
    waiting_[static_cast<std::size_t>(when)].push_back(hook);
}

bool io_worker::make_room(gives_way who) {
    auto& waiting = waiting_[static_cast<std::size_t>(who)];
    if (waiting.empty())
        return false;
    auto& longest = static_cast<connection&>(waiting.front());
    waiting.pop_front();
    longest.give_way();
    return true;
}

void io_worker::count(int status) {
    answers_[static_cast<std::size_t>(std::clamp(status, 0, 599))].fetch_add(1, std::memory_order_relaxed);
}

std::map<int, std::uint64_t> io_worker::counted() const {
    std::map<int, std::uint64_t> out;
    for (std::size_t status = 0; status < answers_.size(); ++status)
        if (auto const n = answers_[status].load(std::memory_order_relaxed); n != 0)
            out.emplace(static_cast<int>(status), n);
    return out;
}

} // namespace klen::webhooks::api
