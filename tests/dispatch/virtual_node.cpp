#include "dispatch/virtual_node.hpp"

namespace klen::webhooks::testing {

dispatch::dispatch_options usual_options() {
    dispatch::dispatch_options out;
    auto& d = out.dispatch;
    d.lane_queue_max = 100;
    d.webhook_concurrency_max = 10;
    d.host_concurrency_max = 32;
    d.deliveries_in_memory_max = 4000;
    d.bytes_in_memory_max = 64 << 20;
    d.unrecorded_outcomes_max = 1000;
    d.claim_batch_max = 200;
    d.outcome_batch_max = 200;
    d.poll_interval = milliseconds(1000);
    d.heartbeat_interval = milliseconds(2000);
    d.lease_timeout = milliseconds(15000);
    d.shutdown_timeout = milliseconds(12000);
    out.delivery.retry_schedule = {seconds(60), seconds(300), seconds(1800)};
    out.delivery.attempt_timeout = milliseconds(10000);
    out.delivery.retry_after_max = seconds(3600);
    out.delivery.header_prefix = "X-Klen-";
    out.delivery.user_agent = "klen-webhooks/test";
    out.instance_name = "test:1";
    return out;
}

dispatch::dispatch_options options_with_circuits() {
    auto out = usual_options();
    auto& d = out.dispatch;
    d.circuit_failures = 20;
    d.circuit_failure_percent = 80;
    d.circuit_attempts_min = 50;
    d.circuit_window = seconds(60);
    d.circuit_wait = seconds(5);
    d.circuit_wait_max = seconds(60);
    return out;
}

virtual_cluster::virtual_cluster() : seals_(signing::sealer::create(signing::generate_master_key(), "k1").value()) {
    log::set_level(log::level::off);
}

virtual_cluster::~virtual_cluster() {
    for (auto const& n : nodes_) {
        // The database is shut to it first, so that what is left of a killed or frozen one changes nothing.
        n->store->down = true;
        world.thaw(n->runs);
        stop(*n);
    }
}

webhook_id virtual_cluster::add_webhook(std::string const& host, std::string const& path) {
    store::webhook w;
    w.id = make_id<webhook_id>();
    w.account_id = "acme";
    w.name = host;
    w.url = "https://" + host + "/" + path;
    w.revision = 1;
    database.webhooks.emplace(w.id, w);
    set_secrets(w.id, {signing::secret::generate()});
    return w.id;
}

void virtual_cluster::set_secrets(webhook_id id, std::vector<signing::secret> const& secrets) {
    auto& w = database.webhooks.at(id);
    w.secrets.clear();
    ++w.revision;
    for (auto const& s : secrets) {
        store::sealed_secret sealed;
        sealed.id = make_id<secret_id>();
        sealed.sealed = seals_.seal(s.text(), {"webhook_secrets", sealed.id.value, w.account_id});
        sealed.key_id = seals_.key_id();
        if (!w.secrets.empty())
            sealed.expires_at = world.wall() + hours(24);
        w.secrets.push_back(std::move(sealed));
    }
}

virtual_node& virtual_cluster::make_node(dispatch::dispatch_options options, std::size_t shards, executor shards_on) {
    auto node = std::make_unique<virtual_node>();
    node->runs = std::make_shared<process>();
    node->store = std::make_unique<model_store>(world, database, node->runs);
    dispatch::dispatch_environment env;
    env.coordinator = world.ex();
    for (std::size_t i = 0; i < shards; ++i) {
        node->clients.push_back(
            std::make_unique<scripted_client>(world, outside, node->runs, static_cast<int>(nodes_.size())));
        env.shards.push_back({shards_on ? shards_on : world.ex(), node->clients.back().get()});
    }
    env.store = node->store.get();
    env.time = &world;
    env.seals = &seals_;
    env.sleep_until = [this, runs = node->runs](executor, steady_time at) { return world.sleep_until(runs, at); };
    env.random = [this] { return chance(); };
    node->dispatcher = dispatch::dispatcher::create(std::move(options), std::move(env));
    nodes_.push_back(std::move(node));
    return *nodes_.back();
}

virtual_node& virtual_cluster::start_node(dispatch::dispatch_options options, std::size_t shards, executor shards_on) {
    auto& node = make_node(std::move(options), shards, std::move(shards_on));
    auto const started = world.run(node.dispatcher->start(), seconds(10));
    if (!started)
        throw std::runtime_error("start did not end");
    started->value();
    return node;
}

bool virtual_cluster::stop(virtual_node& node) {
    return world.run(node.dispatcher->stop(), usual_options().dispatch.shutdown_timeout + milliseconds(500));
}

void virtual_cluster::kill(virtual_node& node) { world.freeze(node.runs); }

bool virtual_cluster::run_until_done(milliseconds at_most) {
    return world.run_until([this] { return database.unfinished() == 0; }, at_most);
}

} // namespace klen::webhooks::testing
