#pragma once

#include "app/listen/delivery_printer.hpp"
#include "app/listen/response_plan.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::app::listen {

struct receiver_options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 9000; ///< 0: any free one
    std::vector<signing::secret> secrets;
    std::string header_prefix = "X-Klen-";
    response_plan plan;
    std::size_t count = 0;                ///< end after so many verified deliveries; 0: never
    std::chrono::milliseconds timeout{0}; ///< end as failed when `count` was not reached by then; 0: never
};

/// How a run of the receiver ended.
enum class receiver_end {
    counted,      ///< `count` deliveries were verified and answered with 2xx
    not_verified, ///< one could not be verified (only with `count`)
    timed_out,
    asked, ///< SIGINT or SIGTERM
};

/// The demo receiver: an HTTP/1.1 server on one thread that verifies what it gets and answers as planned.
class receiver {
  public:
    /// Fails when the address cannot be bound.
    static result<std::unique_ptr<receiver>> create(receiver_options options, delivery_printer& show);
    virtual ~receiver() = default;
    /// "http://127.0.0.1:9000/"
    virtual std::string url() const = 0;
    /// Blocks until one of the ends. Takes SIGINT and SIGTERM while it runs.
    virtual receiver_end run() = 0;
};

} // namespace klen::webhooks::app::listen
