#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::testing {

/// What the fake name server says about one name.
struct dns_answer {
    enum class kind { addresses, no_such_name, no_data, server_failure, refused, silence };
    kind what = kind::addresses;
    std::vector<std::string> addresses; ///< IPv4 ones answer A, IPv6 ones AAAA
    std::uint32_t ttl = 0;
    bool silent_about_ipv6 = false;
};

/// A name server over UDP on 127.0.0.1, in a thread of its own. Names that it was not told of do not exist.
class fake_dns {
  public:
    fake_dns();
    ~fake_dns();
    fake_dns(fake_dns const&) = delete;
    fake_dns& operator=(fake_dns const&) = delete;

    /// "127.0.0.1:5353", as the configuration wants it.
    std::string server() const { return "127.0.0.1:" + std::to_string(port_); }
    /// The first question for the name gets the first answer, …, all further ones the last.
    void tell(std::string const& name, std::vector<dns_answer> in_turn);
    /// Each question for a name that ends so is answered by `invent`, on the server's thread. Before `tell`.
    void tell_all_below(std::string const& suffix, std::function<dns_answer()> invent);
    /// How many questions came, for whatever.
    std::uint64_t questions() const { return questions_; }
    /// How often the name's IPv4 address was asked for.
    int questions(std::string const& name) const;

  private:
    struct entry {
        std::vector<dns_answer> answers;
        std::map<int, std::size_t> asked; ///< by query type
    };

    void serve();
    std::string reply_to(std::string const& query);

    int socket_ = -1;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::map<std::string, entry> names_;
    std::string invented_suffix_;
    std::function<dns_answer()> invent_;
    std::atomic<std::uint64_t> questions_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace klen::webhooks::testing
