#pragma once

#include "dispatch/virtual_world.hpp"
#include "klen/webhooks/egress/http_client.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace klen::webhooks::testing {

/// One request as a receiver saw it.
struct seen_request {
    steady_time at;
    std::string host;
    std::string path;
    std::string headers;
    std::string body;
    int by = 0; ///< which client

    /// A header's value; empty when it is not there.
    std::string header(std::string_view name) const;
};

/// What a receiver does with a request.
struct scripted_answer {
    int status = 200; ///< 0: `error`
    policy::error_class error = policy::error_class::none;
    milliseconds after{5}; ///< past the deadline: a timeout
    std::optional<seconds> retry_after{};
};

/// All receivers, and what they saw; shared by the clients of a world.
struct receivers {
    /// Answers requests to a host; 200 at once where nothing is set.
    std::map<std::string, std::function<scripted_answer(seen_request const&)>> script;
    std::vector<seen_request> seen;
    std::map<std::string, int> open;      ///< requests under way, by host
    std::map<std::string, int> open_most; ///< and how many there were at most
    std::map<std::string, int> open_by_path, open_by_path_most;

    std::size_t count(std::string_view host) const;
    std::vector<seen_request> of(std::string_view delivery) const;
};

class scripted_client : public egress::http_client {
  public:
    scripted_client(virtual_world& world, receivers& all, process_ptr of, int number)
        : world_(world), all_(all), of_(std::move(of)), number_(number) {}

    task<policy::attempt_result> post(egress::post_request request) override;

  private:
    virtual_world& world_;
    receivers& all_;
    process_ptr of_;
    int number_;
};

} // namespace klen::webhooks::testing
