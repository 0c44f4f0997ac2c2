#include "load.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <charconv>
#include <cstring>
#include <stdexcept>

namespace klen::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

struct shared {
    load_plan const& plan;
    event_times& times;
    load_result result;
    std::size_t next = 0;
    time_point began{};
    time_point ends{};
};

/// One kept connection: send, wait for the answer, again.
struct publisher : std::enable_shared_from_this<publisher> {
    publisher(asio::io_context& context, shared& s) : socket(context), timer(context), all(s) {
        head_after_length = "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + s.plan.key + "\r\n\r\n";
        body_begin =
            R"({"account_id":")" + s.plan.account_id + R"(","event_type":"call.ended","payload":{"call":{"seq":)";
        // The delivered body is about as long as asked for.
        std::size_t const around = 80;
        body_end = R"(,"pad":")" + std::string(s.plan.payload_bytes > around ? s.plan.payload_bytes - around : 1, 'x') +
                   R"("}}})";
        buffer.resize(std::size_t{16} << 10);
    }

    void start() {
        tcp::endpoint const to(asio::ip::address_v4::loopback(), all.plan.port);
        socket.async_connect(to, [self = shared_from_this()](boost::system::error_code ec) {
            if (ec)
                throw std::runtime_error("the load generator cannot connect: " + ec.message());
            self->socket.set_option(tcp::no_delay(true));
            self->next_event();
        });
    }

    void next_event() {
        auto const now = std::chrono::steady_clock::now();
        if (now >= all.ends || all.next >= all.plan.events_max) {
            socket.close();
            return;
        }
        std::size_t const ordinal = all.next++;
        number = all.plan.first_event + ordinal;
        if (all.plan.rate <= 0) {
            intended = now;
            return send();
        }
        intended = all.began + std::chrono::nanoseconds(
                                   static_cast<std::int64_t>(static_cast<double>(ordinal) / all.plan.rate * 1e9));
        if (intended <= now)
            return send();
        timer.expires_at(intended);
        timer.async_wait([self = shared_from_this()](boost::system::error_code ec) {
            if (!ec)
                self->send();
        });
    }

    void send() {
        std::string const seq = std::to_string(number);
        std::size_t const length = body_begin.size() + seq.size() + body_end.size();
        out.clear();
        out += "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
        out += std::to_string(length);
        out += head_after_length;
        out += body_begin;
        out += seq;
        out += body_end;
        asio::async_write(socket, asio::buffer(out),
                          [self = shared_from_this()](boost::system::error_code ec, std::size_t) {
                              if (!ec)
                                  self->read();
                          });
    }

    void read() {
        socket.async_read_some(asio::buffer(buffer.data() + used, buffer.size() - used),
                               [self = shared_from_this()](boost::system::error_code ec, std::size_t n) {
                                   if (ec)
                                       return;
                                   self->used += n;
                                   self->consume();
                               });
    }

    void consume() {
        std::string_view const have(buffer.data(), used);
        auto const head = have.find("\r\n\r\n");
        auto const field = have.find("Content-Length: ");
        if (head == std::string_view::npos || field == std::string_view::npos || field > head)
            return read();
        std::size_t length = 0;
        std::from_chars(have.data() + field + 16, have.data() + head, length);
        if (used < head + 4 + length)
            return read();
        bool const accepted = have.substr(0, 12) == "HTTP/1.1 202";
        used = 0;
        if (accepted) {
            std::int64_t const at = now_ns();
            all.times.answered[number].store(at, std::memory_order_relaxed);
            all.result.publish_ns.push_back(at - intended.time_since_epoch().count());
            ++all.result.published;
        } else {
            ++all.result.refused;
        }
        next_event();
    }

    tcp::socket socket;
    asio::steady_timer timer;
    shared& all;
    std::string head_after_length, body_begin, body_end, out, buffer;
    std::size_t used = 0;
    std::size_t number = 0;
    time_point intended{};
};

} // namespace

load_result publish(load_plan const& plan, event_times& times) {
    asio::io_context context{1};
    shared all{plan, times, {}, 0, std::chrono::steady_clock::now(), {}};
    all.result.publish_ns.reserve(plan.events_max);
    all.ends = all.began + plan.duration;
    for (unsigned i = 0; i < plan.connections; ++i)
        std::make_shared<publisher>(context, all)->start();
    context.run();
    all.result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - all.began).count();
    return std::move(all.result);
}

std::string call(std::uint16_t port, std::string const& method, std::string const& path, std::string const& key,
                 std::string const& body, int expected_status) {
    asio::io_context context;
    tcp::socket socket(context);
    socket.connect({asio::ip::address_v4::loopback(), port});
    std::string const request =
        method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " + key +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    asio::write(socket, asio::buffer(request));
    std::string answer;
    boost::system::error_code ec;
    asio::read(socket, asio::dynamic_buffer(answer), ec);
    if (answer.rfind("HTTP/1.1 " + std::to_string(expected_status), 0) != 0)
        throw std::runtime_error(method + " " + path + " answered " + answer.substr(0, 300));
    auto const head = answer.find("\r\n\r\n");
    return head == std::string::npos ? std::string() : answer.substr(head + 4);
}

} // namespace klen::bench
