#include "egress/exchange.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

namespace klen::webhooks::egress {

namespace {

class plain_stream {
  public:
    explicit plain_stream(asio::ip::tcp::socket& socket) : socket_(socket) {}

    template <class Ended>
    void start_write(std::string& head, std::string_view body, Ended ended) {
        std::array<asio::const_buffer, 2> const out{asio::buffer(head), asio::buffer(body.data(), body.size())};
        auto on_written = [ended = std::move(ended)](boost::system::error_code const&, std::size_t) { ended(); };
        asio::async_write(socket_, out, std::move(on_written));
    }
    task<std::size_t> read_some(asio::mutable_buffer into, boost::system::error_code& ec) {
        return socket_.async_read_some(into, asio::redirect_error(use_task, ec));
    }

  private:
    asio::ip::tcp::socket& socket_;
};

class plain_connection final : public connection {
  public:
    using connection::connection;

    task<handshake_outcome> handshake(steady_time) override { co_return handshake_outcome{}; }

    task<error_code> exchange(std::string head, std::string_view body, response_reader* reader,
                              steady_time deadline) override {
        head_ = std::move(head);
        return exchange_over(&stream_, body, reader, deadline);
    }

  private:
    plain_stream stream_{socket_};
};

} // namespace

connection_ptr make_plain_connection(executor const& ex) { return std::make_shared<plain_connection>(ex); }

} // namespace klen::webhooks::egress
