#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/dispatch/test_sender.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/signing/sealer.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::app {

/// What errands are run with. All of it outlives them.
struct errand_parts {
    struct shard {
        executor ex;
        egress::net_client* client = nullptr; ///< used on `ex` only
    };
    std::vector<shard> shards; ///< at least one
    signing::sealer const* seals = nullptr;
    delivery_config const* delivery = nullptr;
    egress::url_policy urls;
    std::uint32_t tests_max = 64; ///< at once; each holds a connection for as long as an attempt may take
};

/// What API calls have the io threads' HTTP clients do: send a test, look where a URL leads. Thread-safe; the tasks
/// resume on the caller's executor.
class webhook_errands {
  public:
    explicit webhook_errands(errand_parts parts);

    /// Nothing when an attempt would be let through to `to`, or when that cannot be told within two seconds; else the
    /// message that it would be refused with.
    task<std::optional<std::string>> judge_address(egress::target to);
    /// A `local_failure` when too many tests are under way, or when the daemon stops.
    task<dispatch::test_outcome> send_test(dispatch::test_request what);

    std::size_t shards() const { return shards_.size(); }
    /// Ends what is under way on one shard, and takes nothing more there; to be awaited on that shard's executor.
    task<void> stop(std::size_t shard);

  private:
    struct place {
        place(errand_parts::shard const& at) : ex(at.ex), client(at.client), group(at.ex, "errands") {}
        executor ex;
        egress::net_client* client;
        task_group group;
    };
    template <class T>
    task<T> run(std::function<task<T>(place&)> errand, T interrupted);

    errand_parts parts_;
    std::vector<std::unique_ptr<place>> shards_;
    std::atomic<std::size_t> turn_{0};
    /// Under way. Shared: the frame of a call that is dropped with its io_context may outlive this.
    std::shared_ptr<std::atomic<std::uint32_t>> tests_ = std::make_shared<std::atomic<std::uint32_t>>(0);
};

} // namespace klen::webhooks::app
