#include "sink.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

namespace klen::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

struct sink::connection : std::enable_shared_from_this<connection> {
    connection(tcp::socket s, sink& o) : socket(std::move(s)), owner(o) { buffer.resize(std::size_t{64} << 10); }

    void read() {
        socket.async_read_some(asio::buffer(buffer.data() + used, buffer.size() - used),
                               [self = shared_from_this()](boost::system::error_code ec, std::size_t n) {
                                   if (ec)
                                       return;
                                   if (self->used == 0)
                                       self->first_byte = now_ns();
                                   self->used += n;
                                   self->consume();
                               });
    }

    void consume() {
        std::string_view const have(buffer.data(), used);
        auto const head = have.find("\r\n\r\n");
        if (head == std::string_view::npos)
            return read();
        auto const field = have.find("Content-Length: ");
        std::size_t length = 0;
        if (field < head)
            std::from_chars(have.data() + field + 16, have.data() + head, length);
        std::size_t const whole = head + 4 + length;
        if (used < whole)
            return read();
        note(have.substr(head + 4, length));
        used -= whole;
        std::memmove(buffer.data(), buffer.data() + whole, used);
        answer();
    }

    void note(std::string_view body) {
        auto const at = body.find("\"seq\":");
        std::size_t n = 0;
        if (at != std::string_view::npos)
            std::from_chars(body.data() + at + 6, body.data() + body.size(), n);
        if (n < owner.times_.arrived.size()) {
            std::int64_t unset = 0;
            if (!owner.times_.arrived[n].compare_exchange_strong(unset, first_byte, std::memory_order_relaxed))
                owner.repeats_.fetch_add(1, std::memory_order_relaxed);
        }
        owner.received_.fetch_add(1, std::memory_order_relaxed);
    }

    void answer() {
        static constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        asio::async_write(socket, asio::buffer(ok),
                          [self = shared_from_this()](boost::system::error_code ec, std::size_t) {
                              if (!ec)
                                  self->consume();
                          });
    }

    tcp::socket socket;
    sink& owner;
    std::string buffer;
    std::size_t used = 0;
    std::int64_t first_byte = 0;
};

sink::sink(event_times& times) : times_(times) {
    tcp::endpoint const any(asio::ip::address_v4::loopback(), 0);
    acceptor_.open(any.protocol());
    acceptor_.bind(any);
    acceptor_.listen(1024);
    port_ = acceptor_.local_endpoint().port();
    accept();
    thread_ = std::thread([this] { context_.run(); });
}

sink::~sink() {
    context_.stop();
    thread_.join();
}

void sink::accept() {
    acceptor_.async_accept([this](boost::system::error_code ec, tcp::socket s) {
        if (ec)
            return;
        boost::system::error_code ignored;
        s.set_option(tcp::no_delay(true), ignored);
        connections_.fetch_add(1, std::memory_order_relaxed);
        std::make_shared<connection>(std::move(s), *this)->read();
        accept();
    });
}

} // namespace klen::bench
