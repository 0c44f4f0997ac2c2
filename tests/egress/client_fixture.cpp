#include "egress/client_fixture.hpp"

#include <boost/asio/co_spawn.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <ostream>

namespace klen::webhooks::policy {
void PrintTo(error_class what, std::ostream* to) { *to << to_string(what); }
} // namespace klen::webhooks::policy

namespace klen::webhooks::egress {

client_test::client_test() {
    config.allow_http = true;
    config.allowed_ranges = {"127.0.0.0/8"};
    config.dns_timeout = 2s;
    config.dns_cache_max = 60s;
    config.dns_negative_cache = 5s;
    config.connect_timeout = 3s;
    config.idle_connections_per_origin_max = 8;
    config.idle_connections_max = 100;
    config.idle_timeout = 4s;
    delivery.response_header_bytes_max = 8192;
    delivery.response_body_bytes_max = 4096;
}

client_test::~client_test() {
    if (client_)
        stop();
    client_.reset();
}

net_client& client_test::client() {
    if (!client_)
        client_ = make_net_client(io.get_executor(), make_client_context(config, delivery, ours).value());
    return *client_;
}

void client_test::run(std::function<task<void>()> body) {
    bool ended = false;
    std::exception_ptr thrown;
    asio::co_spawn(executor(io.get_executor()), body(), [&](std::exception_ptr e) {
        ended = true;
        thrown = e;
    });
    io.restart();
    while (!ended)
        io.run_one();
    if (thrown)
        std::rethrow_exception(thrown);
}

void client_test::run_for(std::chrono::milliseconds time) {
    io.restart();
    asio::steady_timer over(io, time);
    bool fired = false;
    over.async_wait([&](boost::system::error_code const&) { fired = true; });
    while (!fired)
        io.run_one();
}

void client_test::stop() {
    auto& which = client();
    run([&which]() -> task<void> { return which.stop(); });
}

attempt_result client_test::post(std::string const& url, how with) { return post_all({url}, std::move(with)).front(); }

std::vector<attempt_result> client_test::post_all(std::vector<std::string> const& urls, how with) {
    auto& which = client();
    std::vector<attempt_result> out(urls.size());
    std::vector<target> targets;
    for (auto const& url : urls)
        targets.push_back(parse_target(url, {true, {}, true}).value());
    std::size_t open = urls.size();
    for (std::size_t i = 0; i < urls.size(); ++i) {
        post_request request{
            &targets[i],   with.account, with.headers, with.body, std::chrono::steady_clock::now() + with.within,
            &with.may_send};
        asio::co_spawn(executor(io.get_executor()), which.post(request),
                       [&out, &open, i](std::exception_ptr e, attempt_result r) {
                           EXPECT_FALSE(e);
                           out[i] = std::move(r);
                           --open;
                       });
    }
    io.restart();
    while (open > 0)
        io.run_one();
    return out;
}

no_descriptors::no_descriptors() {
    rlimit now{};
    getrlimit(RLIMIT_NOFILE, &now);
    soft_ = now.rlim_cur;
    hard_ = now.rlim_max;
    int const first_free = ::dup(0);
    ::close(first_free);
    now.rlim_cur = static_cast<rlim_t>(first_free);
    setrlimit(RLIMIT_NOFILE, &now);
}

no_descriptors::~no_descriptors() {
    rlimit const back{soft_, hard_};
    setrlimit(RLIMIT_NOFILE, &back);
}

lone_receiver::lone_receiver(conversation talk, int receive_buffer) {
    if (receive_buffer != 0)
        acceptor_.set_option(asio::socket_base::receive_buffer_size(receive_buffer));
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen();
    thread_ = std::thread([this, talk = std::move(talk)] {
        auto socket = acceptor_.accept();
        talk(socket);
    });
}

std::string lone_receiver::url() const {
    return "https://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/";
}

void lone_receiver::wait() {
    if (thread_.joinable())
        thread_.join();
}

lone_receiver::conversation over_tls(testing::tls_identity const& identity, std::function<void(SSL*)> talk,
                                     int version_max) {
    auto const context = testing::make_tls_server_context(identity, version_max, false);
    return [context, talk = std::move(talk)](asio::ip::tcp::socket& socket) {
        std::unique_ptr<SSL, void (*)(SSL*)> const ssl(SSL_new(context.get()), SSL_free);
        SSL_set_fd(ssl.get(), static_cast<int>(socket.native_handle()));
        ASSERT_EQ(SSL_accept(ssl.get()), 1);
        talk(ssl.get());
    };
}

} // namespace klen::webhooks::egress
