#include "egress/exchange.hpp"

namespace klen::webhooks::egress {

namespace {

class plain_connection final : public connection {
  public:
    using connection::connection;

    task<handshake_outcome> handshake(steady_time) override { co_return handshake_outcome{}; }

    task<error_code> exchange(std::string head, std::string_view body, response_reader* reader,
                              steady_time deadline) override {
        head_ = std::move(head);
        return exchange_over(&socket_, body, reader, deadline);
    }
};

} // namespace

connection_ptr make_plain_connection(executor const& ex) { return std::make_shared<plain_connection>(ex); }

} // namespace klen::webhooks::egress
