#include "app/listen/receiver.hpp"

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/version.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <csignal>
#include <set>

namespace klen::webhooks::app::listen {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr std::uint64_t body_bytes_max = 8U << 20;
constexpr std::uint32_t header_bytes_max = 64U << 10;
constexpr std::size_t connections_max = 1024;
constexpr std::chrono::seconds idle_timeout{120};

using request = http::request<http::string_body>;

class receiver_impl final : public receiver {
  public:
    receiver_impl(receiver_options options, delivery_printer& show)
        : options_(std::move(options)), show_(show), acceptor_(context_), signals_(context_), timeout_(context_),
          sessions_(context_.get_executor(), "listen") {}

    result<void> bind();
    std::string url() const override;
    receiver_end run() override;

  private:
    task<void> accept();
    task<void> watch_signals();
    task<void> watch_timeout();
    task<void> session(std::shared_ptr<tcp::socket> socket);
    /// Answers one request; false when the connection is at its end.
    task<bool> serve(beast::tcp_stream& stream, beast::flat_buffer& buffer);
    task<bool> answer_delivery(beast::tcp_stream& stream, beast::flat_buffer& buffer, request const& got);
    task<bool> respond(beast::tcp_stream& stream, request const& got, int status, std::string body);
    task<void> until_peer_leaves(beast::tcp_stream& stream, beast::flat_buffer& buffer);
    delivery_check check(request const& got) const;
    void count(delivery_check const& found, int answered);
    void end(receiver_end how);

    receiver_options options_;
    delivery_printer& show_;
    asio::io_context context_{1};
    tcp::acceptor acceptor_;
    asio::signal_set signals_;
    asio::steady_timer timeout_;
    task_group sessions_;
    std::size_t received_ = 0;
    std::size_t refused_ = 0;
    std::set<std::string> verified_; // delivery ids, up to `count`
    std::size_t verified_count_ = 0;
    std::optional<receiver_end> end_;
};

result<void> receiver_impl::bind() {
    boost::system::error_code ec;
    auto const address = asio::ip::make_address(options_.address, ec);
    if (ec)
        return failure{fault::invalid_argument, "--address: \"" + options_.address + "\" is no IP address"};
    tcp::endpoint const at(address, options_.port);
    auto const failed = [&](char const* what) {
        return failure{fault::io, std::string("cannot ") + what + " " + options_.address + " port " +
                                      std::to_string(options_.port) + ": " + ec.message()};
    };
    if (acceptor_.open(at.protocol(), ec); ec)
        return failed("open");
    if (acceptor_.set_option(asio::socket_base::reuse_address(true), ec); ec)
        return failed("prepare");
    if (acceptor_.bind(at, ec); ec)
        return failed("listen on");
    if (acceptor_.listen(asio::socket_base::max_listen_connections, ec); ec)
        return failed("listen on");
    return {};
}

std::string receiver_impl::url() const {
    boost::system::error_code ec;
    auto const at = acceptor_.local_endpoint(ec);
    auto const host = at.address().is_v6() ? "[" + at.address().to_string() + "]" : at.address().to_string();
    return "http://" + host + ":" + std::to_string(at.port()) + "/";
}

receiver_end receiver_impl::run() {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    sessions_.spawn([this] { return accept(); });
    sessions_.spawn([this] { return watch_signals(); });
    if (options_.timeout.count() > 0)
        sessions_.spawn([this] { return watch_timeout(); });
    context_.run();
    show_.summary(received_, verified_count_, refused_);
    return end_.value_or(receiver_end::asked);
}

void receiver_impl::end(receiver_end how) {
    if (end_)
        return;
    end_ = how;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    // Not from inside one of the members that it cancels.
    asio::post(context_, [this] { sessions_.cancel(); });
}

task<void> receiver_impl::accept() {
    for (;;) {
        boost::system::error_code ec;
        auto socket = std::make_shared<tcp::socket>(context_);
        co_await acceptor_.async_accept(*socket, asio::redirect_error(use_task, ec));
        if (end_)
            co_return;
        if (ec || sessions_.size() > connections_max) {
            // Out of descriptors, or too many: do not spin.
            asio::steady_timer pause(context_, std::chrono::milliseconds(50));
            boost::system::error_code ignored;
            co_await pause.async_wait(asio::redirect_error(use_task, ignored));
            continue;
        }
        sessions_.spawn([this, socket] { return session(socket); });
    }
}

task<void> receiver_impl::watch_signals() {
    boost::system::error_code ec;
    co_await signals_.async_wait(asio::redirect_error(use_task, ec));
    end(receiver_end::asked);
}

task<void> receiver_impl::watch_timeout() {
    boost::system::error_code ec;
    timeout_.expires_after(options_.timeout);
    co_await timeout_.async_wait(asio::redirect_error(use_task, ec));
    end(receiver_end::timed_out);
}

task<void> receiver_impl::session(std::shared_ptr<tcp::socket> socket) {
    boost::system::error_code ignored;
    socket->set_option(tcp::no_delay(true), ignored);
    beast::tcp_stream stream(std::move(*socket));
    beast::flat_buffer buffer;
    for (bool more = true; more && !end_;)
        more = co_await serve(stream, buffer);
}

task<bool> receiver_impl::serve(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(body_bytes_max);
    parser.header_limit(header_bytes_max);
    boost::system::error_code ec;
    stream.expires_after(idle_timeout);
    co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_task, ec));
    if (ec)
        co_return false;
    stream.expires_never();
    request const got = parser.release();
    if (got.method() != http::verb::post) {
        bool const more = co_await respond(stream, got, 405, R"({"error":"this receiver takes POST only"})");
        co_return more;
    }
    bool const more = co_await answer_delivery(stream, buffer, got);
    co_return more;
}

delivery_check receiver_impl::check(request const& got) const {
    auto const header = [&got](std::string const& name) { return std::string(got[name]); };
    return check_delivery(header, got.body(), options_.header_prefix, options_.secrets,
                          std::chrono::system_clock::now());
}

task<bool> receiver_impl::answer_delivery(beast::tcp_stream& stream, beast::flat_buffer& buffer, request const& got) {
    auto const at = std::chrono::system_clock::now();
    auto const found = check(got);
    ++received_;
    if (!found.verified())
        ++refused_;
    answer given{options_.plan.status_for(found.attempt), {}};
    if (options_.plan.hang || options_.plan.reset)
        given = {0, options_.plan.hang ? "left without an answer" : "connection reset"};
    show_.delivery(at, found, got.body(), given);
    if (options_.plan.delay.count() > 0) {
        asio::steady_timer pause(context_, options_.plan.delay);
        boost::system::error_code ec;
        co_await pause.async_wait(asio::redirect_error(use_task, ec));
    }
    if (options_.plan.reset) {
        boost::system::error_code ignored;
        stream.socket().set_option(asio::socket_base::linger(true, 0), ignored);
        stream.socket().close(ignored);
        co_return false;
    }
    if (options_.plan.hang) {
        co_await until_peer_leaves(stream, buffer);
        co_return false;
    }
    bool const more = co_await respond(stream, got, given.status, R"({"received":true})");
    count(found, given.status);
    co_return more;
}

task<bool> receiver_impl::respond(beast::tcp_stream& stream, request const& got, int status, std::string body) {
    http::response<http::string_body> answer(static_cast<http::status>(status), got.version());
    answer.set(http::field::server, "klen-webhooks-listen/" + std::string(version()));
    bool const no_body = status == 204 || status == 304 || got.method() == http::verb::head;
    if (!no_body) {
        answer.set(http::field::content_type, "application/json");
        answer.body() = std::move(body);
    }
    answer.keep_alive(got.keep_alive());
    answer.prepare_payload();
    boost::system::error_code ec;
    stream.expires_after(idle_timeout);
    co_await http::async_write(stream, answer, asio::redirect_error(use_task, ec));
    stream.expires_never();
    co_return !ec && got.keep_alive();
}

task<void> receiver_impl::until_peer_leaves(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    for (;;) {
        boost::system::error_code ec;
        auto const room = buffer.prepare(1024);
        auto const n = co_await stream.async_read_some(room, asio::redirect_error(use_task, ec));
        if (ec || n == 0)
            co_return;
    }
}

void receiver_impl::count(delivery_check const& found, int answered) {
    if (found.verified() && answered >= 200 && answered < 300 &&
        (options_.count == 0 || verified_.insert(found.delivery_id).second))
        ++verified_count_;
    if (options_.count == 0)
        return;
    if (!found.verified())
        end(receiver_end::not_verified);
    else if (verified_count_ >= options_.count)
        end(receiver_end::counted);
}

} // namespace

result<std::unique_ptr<receiver>> receiver::create(receiver_options options, delivery_printer& show) {
    auto made = std::make_unique<receiver_impl>(std::move(options), show);
    if (auto bound = made->bind(); bound.has_error())
        return bound.error();
    return std::unique_ptr<receiver>(std::move(made));
}

} // namespace klen::webhooks::app::listen
