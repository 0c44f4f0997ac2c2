#pragma once

#include "app/errand_gate.hpp"
#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"
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
    errand_gate::limits tests; ///< each holds a connection for as long as an attempt may take
    errand_gate::limits address_checks;
};

/// What API calls have the io threads' HTTP clients do: send a test, look where a URL leads. Thread-safe; the tasks
/// resume on the caller's executor.
class webhook_errands {
  public:
    explicit webhook_errands(errand_parts parts);

    /// Nothing when an attempt would be let through to `to`, or when that cannot be told within two seconds; else the
    /// message that it would be refused with. `over_limit`: too many of the account's questions are open; `overloaded`:
    /// too many of all accounts'.
    task<result<std::optional<std::string>>> judge_address(std::string account_id, egress::target to);
    /// Fails in the same way when too many tests are under way, and with `shutting_down` when the daemon stops.
    task<result<dispatch::test_outcome>> send_test(dispatch::test_request what);

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

    task<std::optional<dispatch::test_outcome>> test_at(place& at, std::shared_ptr<dispatch::test_request const> what);

    errand_parts parts_;
    std::vector<std::unique_ptr<place>> shards_;
    std::atomic<std::size_t> turn_{0};
    std::shared_ptr<errand_gate> tests_, address_checks_;
};

} // namespace klen::webhooks::app
