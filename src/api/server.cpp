#include "klen/webhooks/api/server.hpp"

#include "connection.hpp"
#include "errors.hpp"
#include "io_worker.hpp"
#include "tls_context.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <deque>

namespace klen::webhooks::api {

namespace {

using asio::ip::tcp;
using boost::system::error_code;

/// After an error like "too many open files" nothing gets better by trying again at once.
constexpr milliseconds accept_pause{100};

/// How long, and how many, connections that were turned away are kept open, so that their answer is read.
constexpr milliseconds linger_time{1000};
constexpr std::size_t lingering_max = 256;

/// One io thread with the coroutines that run on it.
struct worker_seat {
    worker_seat(asio::io_context& context, std::shared_ptr<serving> common)
        : worker(std::make_shared<io_worker>(context, std::move(common))),
          connections(context.get_executor(), "connections"), watch(context.get_executor(), "connection watch") {}

    std::shared_ptr<io_worker> worker;
    task_group connections;
    task_group watch;
};

/// Opens, binds and listens; the failure names the address.
result<tcp::acceptor> listen(asio::io_context& context, std::string const& address, std::uint16_t port) {
    auto const failed = [&](std::string const& why) {
        return failure{fault::io, "cannot listen on " + address + " port " + std::to_string(port) + ": " + why};
    };
    error_code ec;
    auto const ip = asio::ip::make_address(address, ec);
    if (ec)
        return failed("not an IP address");
    tcp::endpoint const where(ip, port);
    tcp::acceptor out(context);
    out.open(where.protocol(), ec);
    if (!ec)
        out.set_option(tcp::acceptor::reuse_address(true), ec); // a restart need not wait for old connections
    if (!ec)
        out.bind(where, ec);
    if (!ec)
        out.listen(asio::socket_base::max_listen_connections, ec);
    if (ec)
        return failed(ec.message());
    return out;
}

/// Everything of a server that its coroutines use: they share its ownership.
class server_core : public std::enable_shared_from_this<server_core> {
  public:
    server_core(std::vector<asio::io_context*> const& contexts, std::shared_ptr<serving> common, tcp::acceptor acceptor)
        : common_(std::move(common)), acceptor_(std::move(acceptor)), pause_(*contexts.front()),
          linger_end_(*contexts.front()), accepting_(contexts.front()->get_executor(), "accept") {
        for (asio::io_context* context : contexts)
            seats_.push_back(std::make_unique<worker_seat>(*context, common_));
    }

    std::uint16_t port() const {
        error_code ec;
        return acceptor_.local_endpoint(ec).port();
    }

    void start();
    task<void> stop(steady_time until);
    void reload_tls();
    server_stats stats() const;

  private:
    task<void> accept_all();
    task<void> survive_accept_error(error_code why);
    void admit(tcp_socket socket, worker_seat& to);
    void make_room(tcp_socket socket, worker_seat& to, std::size_t asked);
    void begin(tcp_socket socket, worker_seat& to);
    void turn_away(tcp_socket socket);
    void linger(tcp_socket socket);
    void end_lingering();

    struct lingering {
        steady_time until;
        tcp_socket socket;
    };

    std::shared_ptr<serving> common_;
    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    asio::steady_timer linger_end_;
    std::deque<lingering> lingering_; ///< were turned away; on the accepting thread
    task_group accepting_;
    std::vector<std::unique_ptr<worker_seat>> seats_;
    std::atomic<std::uint64_t> turned_away_{0};
    std::atomic<std::uint64_t> displaced_{0};
    log::throttle accept_lines_{seconds(10)};
    log::throttle full_lines_{seconds(10)};
    log::throttle displaced_lines_{seconds(10)};
    date_line date_;
};

void server_core::start() {
    auto self = shared_from_this();
    for (auto& seat : seats_) {
        auto begin = [self, s = seat.get()] { s->watch.spawn([w = s->worker] { return w->watch(); }); };
        asio::post(seat->worker->context(), std::move(begin));
    }
    auto begin = [self] { self->accepting_.spawn([self] { return self->accept_all(); }); };
    asio::post(seats_.front()->worker->context(), std::move(begin));
}

task<void> server_core::accept_all() {
    for (std::size_t turn = 0;; ++turn) {
        worker_seat& to = *seats_[turn % seats_.size()];
        tcp_socket socket(to.worker->context());
        error_code ec;
        co_await acceptor_.async_accept(socket, asio::redirect_error(use_task, ec));
        if (accepting_.cancelled())
            co_return;
        if (ec)
            co_await survive_accept_error(ec);
        else
            admit(std::move(socket), to);
    }
}

task<void> server_core::survive_accept_error(error_code why) {
    if (why == asio::error::connection_aborted)
        co_return; // that client has gone; the next may be waiting
    if (auto const line = accept_lines_.allow(); line.write)
        log::warn("accepting connections failed", {{"error.message", why.message()}, {"repeats", line.held_back}});
    error_code ignored;
    pause_.expires_after(accept_pause);
    co_await pause_.async_wait(asio::redirect_error(use_task, ignored));
}

void server_core::admit(tcp_socket socket, worker_seat& to) {
    bool const full =
        common_->open_connections.fetch_add(1, std::memory_order_relaxed) >= common_->config.connections_max;
    if (full)
        make_room(std::move(socket), to, 0);
    else
        begin(std::move(socket), to);
}

/// Whoever opens connections and sends nothing keeps nobody out: the newcomer takes the place of one that waits, of its
/// own io thread or else of the next; of one that is in the middle of a call only when no thread has another. `asked`:
/// how often there was none.
void server_core::make_room(tcp_socket socket, worker_seat& to, std::size_t asked) {
    auto const own = std::ranges::find(seats_, &to, [](auto const& seat) { return seat.get(); }) - seats_.begin();
    worker_seat& from = *seats_[(static_cast<std::size_t>(own) + asked) % seats_.size()];
    auto ask = [self = shared_from_this(), socket = std::move(socket), &to, &from, asked]() mutable {
        auto const who = asked < self->seats_.size() ? io_worker::gives_way::first : io_worker::gives_way::last;
        if (from.worker->make_room(who)) {
            self->displaced_.fetch_add(1, std::memory_order_relaxed);
            if (auto const line = self->displaced_lines_.allow(); line.write)
                log::warn("connection closed to make room: too many are open",
                          {{"connections_max", self->common_->config.connections_max}, {"repeats", line.held_back}});
            self->begin(std::move(socket), to);
            return;
        }
        if (asked + 1 < 2 * self->seats_.size()) {
            self->make_room(std::move(socket), to, asked + 1);
            return;
        }
        self->common_->open_connections.fetch_sub(1, std::memory_order_relaxed);
        auto const accepting = self->seats_.front()->worker->context().get_executor();
        auto refuse = [self, socket = std::move(socket)]() mutable { self->turn_away(std::move(socket)); };
        asio::post(accepting, std::move(refuse));
    };
    asio::post(from.worker->context(), std::move(ask));
}

void server_core::begin(tcp_socket socket, worker_seat& to) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    auto made = std::make_shared<connection>(std::move(socket), to.worker, common_->tls());
    auto begin = [self = shared_from_this(), seat = &to, made = std::move(made)] {
        seat->connections.spawn([made] { return made->run(); });
    };
    asio::post(to.worker->context(), std::move(begin));
}

/// One write that cannot block, and a socket that is kept for a moment: whoever is over the limit costs no coroutine.
void server_core::turn_away(tcp_socket socket) {
    turned_away_.fetch_add(1, std::memory_order_relaxed);
    std::string const id = make_uuid_v7().text();
    if (auto const line = full_lines_.allow(); line.write)
        log::warn(
            "connection refused: too many are open",
            {{"connections_max", common_->config.connections_max}, {"request_id", id}, {"repeats", line.held_back}});
    if (common_->tls())
        return; // an answer needs a handshake first
    auto const answer = unavailable("too many connections: try again in a moment");
    std::string out;
    append_response_head(out, answer, {.date = date_.at(std::time(nullptr)), .request_id = id, .keep_alive = false});
    out += answer.body;
    error_code ec;
    socket.non_blocking(true, ec);
    socket.write_some(asio::buffer(out), ec);
    socket.shutdown(tcp_socket::shutdown_send, ec);
    linger(std::move(socket));
}

/// What comes after the close resets the connection, and the request of one that was turned away has mostly not come
/// yet: its sender would see a broken pipe in place of the answer (RFC 9112 §9.6).
void server_core::linger(tcp_socket socket) {
    if (accepting_.cancelled())
        return;
    if (lingering_.size() == lingering_max)
        lingering_.pop_front();
    lingering_.push_back({std::chrono::steady_clock::now() + linger_time, std::move(socket)});
    if (lingering_.size() == 1)
        end_lingering();
}

/// Closes those whose time is over, and comes back for the next.
void server_core::end_lingering() {
    auto const now = std::chrono::steady_clock::now();
    while (!lingering_.empty() && lingering_.front().until <= now) {
        std::array<char, 4096> request{}; // what is unread at the close resets the connection, too
        error_code ec;
        while (!ec)
            lingering_.front().socket.read_some(asio::buffer(request), ec);
        lingering_.pop_front();
    }
    if (lingering_.empty())
        return;
    linger_end_.expires_at(lingering_.front().until);
    linger_end_.async_wait([self = shared_from_this()](error_code stopped) {
        if (!stopped)
            self->end_lingering();
    });
}

task<void> server_core::stop(steady_time until) {
    auto const self = shared_from_this();
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    linger_end_.cancel();
    lingering_.clear();
    accepting_.cancel();
    co_await accepting_.wait_empty();
    std::vector<one_shot<bool>> ended(seats_.size());
    for (std::size_t i = 0; i < seats_.size(); ++i) {
        auto begin = [worker = seats_[i]->worker, until, set = ended[i].set()] { worker->begin_stop(until, set); };
        asio::post(seats_[i]->worker->context(), std::move(begin));
    }
    for (auto const& one : ended)
        co_await one.wait();
}

void server_core::reload_tls() {
    auto const& config = common_->config;
    if (config.tls_certificate_file.empty())
        return;
    auto fresh = make_tls_context(config.tls_certificate_file, config.tls_key_file);
    if (!fresh) {
        log::error("the TLS certificate was not read again: the one before stays in use",
                   {{"error.message", fresh.error().message}});
        return;
    }
    common_->set_tls(*std::move(fresh));
    log::info("the TLS certificate was read again", {{"file", config.tls_certificate_file}});
}

server_stats server_core::stats() const {
    server_stats out;
    out.body_bytes = common_->bodies.taken();
    out.connections = common_->open_connections.load(std::memory_order_relaxed);
    out.refused_connections = turned_away_.load(std::memory_order_relaxed);
    out.displaced_connections = displaced_.load(std::memory_order_relaxed);
    for (auto const& seat : seats_) {
        for (auto const& [status, n] : seat->worker->counted()) {
            out.responses_by_status[status] += n;
            out.requests += n;
        }
    }
    return out;
}

class http_server final : public server {
  public:
    explicit http_server(std::shared_ptr<server_core> core) : core_(std::move(core)), port_(core_->port()) {}

    void start() override { core_->start(); }
    std::uint16_t port() const override { return port_; }
    task<void> stop(steady_time until) override { return core_->stop(until); }
    void reload_tls() override { core_->reload_tls(); }
    server_stats stats() const override { return core_->stats(); }

  private:
    std::shared_ptr<server_core> core_;
    std::uint16_t port_;
};

} // namespace

result<void> server::try_to_listen(std::string const& address, std::uint16_t port) {
    asio::io_context nobody;
    auto const tried = listen(nobody, address, port);
    return tried ? result<void>() : tried.error();
}

result<std::unique_ptr<server>> server::create(std::vector<asio::io_context*> contexts, server_config config,
                                               std::string address, std::uint16_t port, std::vector<route> routes,
                                               authenticator const& keys, request_lines lines) {
    tls_context_ptr tls;
    if (!config.tls_certificate_file.empty()) {
        auto made = make_tls_context(config.tls_certificate_file, config.tls_key_file);
        if (!made)
            return made.error();
        tls = *std::move(made);
    }
    auto acceptor = listen(*contexts.front(), address, port);
    if (!acceptor)
        return acceptor.error();
    auto common = std::make_shared<serving>(std::move(config), std::move(routes), keys, lines);
    common->set_tls(std::move(tls));
    auto core = std::make_shared<server_core>(contexts, std::move(common), std::move(*acceptor));
    return std::make_unique<http_server>(std::move(core));
}

} // namespace klen::webhooks::api
