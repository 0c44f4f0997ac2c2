#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace klen::bench {

/// Webhooks in accounts of `fan_out` each, so that an event of an account becomes so many deliveries.
struct population {
    std::size_t webhooks = 100;
    std::size_t fan_out = 1;
    std::size_t accounts() const { return webhooks / fan_out; }
};
/// "a000007": all of one length, so that requests are, too.
std::string account_name(std::size_t n);

/// Makes them through the API. Webhook n is at receiver n's address, its path its place in its account.
void make_webhooks(std::uint16_t api_port, std::string const& key, population const& who, std::string const& scheme,
                   std::uint16_t receiver_port);

/// Writes publish requests. Events go to the accounts in turn; each carries its number, by which a receiver tells it.
class event_requests {
  public:
    struct shape {
        std::size_t accounts = 1;
        std::size_t body_bytes = 1024; ///< what a receiver gets, about
        std::size_t batch = 1;         ///< events in one request; 1: not as an array
    };
    event_requests(shape what, std::string const& key);

    /// Request number n, with events n × batch to n × batch + batch - 1.
    void write(std::string& out, std::uint64_t n) const;
    shape const& of() const { return shape_; }

  private:
    void write_event(std::string& out, std::uint64_t n) const;

    shape shape_;
    std::string head_;
    std::string before_account_, before_number_, after_number_;
};

/// The number of the event that a delivered body is of.
std::uint64_t event_number_in(std::string_view body);

} // namespace klen::bench
