#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace klen::bench {

/// "a0000007": all of one length, so that requests are, too.
std::string account_name(std::size_t n);

/// Text that compresses about as well as people's does, always the same.
std::string prose(std::size_t bytes);

struct new_webhook {
    std::size_t account = 0;
    std::string url;
};
/// Makes so many through the API, as `describe` says of each.
void make_webhooks(std::uint16_t api_port, std::string const& key, std::size_t count,
                   std::function<new_webhook(std::size_t)> const& describe);

/// Writes publish requests. Events go to the accounts in turn; each carries its number, by which a receiver tells it.
class event_requests {
  public:
    struct shape {
        std::size_t accounts = 1;
        std::size_t first_account = 0;
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
