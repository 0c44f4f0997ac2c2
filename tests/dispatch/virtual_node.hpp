#pragma once

#include "dispatch/model_store.hpp"
#include "dispatch/scripted_client.hpp"
#include "dispatch/virtual_world.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::testing {

/// Small limits and the product's default times.
dispatch::dispatch_options usual_options();
/// With the product's circuit breakers, too, which the usual ones leave out.
dispatch::dispatch_options options_with_circuits();

/// One simulated daemon: a dispatcher with its own way to the database and to the receivers.
struct virtual_node {
    process_ptr runs;
    std::unique_ptr<model_store> store;
    std::vector<std::unique_ptr<scripted_client>> clients; ///< one a shard
    std::unique_ptr<dispatch::dispatcher> dispatcher;
};

/// Daemons, one database and receivers in one thread on virtual time.
class virtual_cluster {
  public:
    virtual_cluster();
    ~virtual_cluster();

    virtual_world world;
    model_database database{[this] { return world.now(); }};
    receivers outside;
    std::function<double()> chance = [] { return 0.5; }; ///< of the nodes

    /// A webhook at https://<host>/<path>.
    webhook_id add_webhook(std::string const& host, std::string const& path = "hook");
    /// Its secrets become these, newest first.
    void set_secrets(webhook_id id, std::vector<signing::secret> const& secrets);

    /// `shards_on`: where its shards run, if not with all the rest.
    virtual_node& make_node(dispatch::dispatch_options options = usual_options(), std::size_t shards = 1,
                            executor shards_on = {});
    virtual_node& start_node(dispatch::dispatch_options options = usual_options(), std::size_t shards = 1,
                             executor shards_on = {});
    /// True when it ended within the shutdown's bound.
    bool stop(virtual_node& node);
    /// As by kill -9: nothing of it ever runs again.
    void kill(virtual_node& node);

    /// Runs until no delivery is unfinished.
    bool run_until_done(milliseconds at_most);

    signing::sealer const& seals() const { return seals_; }

  private:
    signing::sealer seals_;
    std::vector<std::unique_ptr<virtual_node>> nodes_;
};

} // namespace klen::webhooks::testing
