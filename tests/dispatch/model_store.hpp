#pragma once

#include "dispatch/virtual_world.hpp"
#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::testing {

/// One attempt on record.
struct model_attempt {
    int attempt = 0;
    policy::decision decision{};
    policy::error_class error{};
    int status = 0;
    std::int64_t instance = 0;
    steady_time at;
    bool manual = false;
    std::string event_type;
    std::int64_t signed_at = 0;
    std::int64_t webhook_revision = 0;
};

/// One row of the queue, kept after its end with its history.
struct model_delivery {
    delivery_id id;
    event_ptr event;
    webhook_id webhook;
    std::string account_id;
    int attempts_made = 0;
    steady_time next_attempt;
    std::int64_t owner = 0; ///< 0: nobody
    bool parked = false;
    bool finished = false;
    bool event_gone = false;
    int schedule_base = 0;
    bool manual = false;
    std::optional<steady_time> resume_at;
    std::vector<model_attempt> attempts;

    policy::decision ended_as() const { return attempts.back().decision; }
};

struct model_instance {
    std::string name;
    steady_time heartbeat;
    std::int64_t count = 0;
};

/// What the database does, in memory: the same guards, the same order, the same states.
class model_database {
  public:
    explicit model_database(virtual_world& world) : world_(world) {}

    std::map<delivery_id, model_delivery> deliveries;
    std::map<std::int64_t, model_instance> instances;
    std::map<webhook_id, store::webhook> webhooks;

    /// As the event writer: leased, parked or due, as `gate` grants; due and nobody's without one.
    delivery_id publish(store::lane_gate* gate, webhook_id to, std::string body = "{}");
    std::vector<delivery_id> publish_many(store::lane_gate* gate, webhook_id to, std::size_t count);

    /// As the API's resend and recover; `gate` is told of what is parked. False: it cannot be done now.
    bool resend(store::lane_gate* gate, delivery_id id);
    bool recover(store::lane_gate* gate, delivery_id id);

    instance_id register_instance(std::string name);
    bool heartbeat(instance_id self); ///< false: no such instance
    std::vector<policy::instance_sighting> sightings() const;
    std::optional<std::uint64_t> reap(policy::instance_sighting dead);
    std::uint64_t leave(instance_id self);
    store::due_result claim_due(store::due_request const& request);
    store::parked_result claim_parked(instance_id owner, std::vector<store::lane_room> const& rooms);
    std::vector<webhook_id> parked_webhooks(webhook_id after, std::uint32_t limit) const;
    void hand_back(instance_id owner, std::vector<delivery_id> const& ids, bool parked);
    store::record_result record(instance_id owner, std::vector<store::attempt_record> const& batch);
    std::vector<store::webhook> load(std::vector<webhook_id> const& ids) const;

    std::size_t unfinished() const;
    std::size_t parked() const;
    std::size_t leased() const;
    std::size_t ended_as(policy::decision how) const;

  private:
    static void requeue(model_delivery& d);
    store::claimed_delivery lease(model_delivery& d, instance_id owner);
    std::uint64_t free_leases(std::int64_t owner);

    virtual_world& world_;
    std::int64_t last_instance_ = 0;
};

enum class call {
    register_instance,
    heartbeat,
    instances,
    reap,
    leave,
    claim_due,
    claim_parked,
    parked_webhooks,
    hand_back,
    record,
    load
};

/// What becomes of a call.
enum class fate { done, lost_before, lost_after, busy, refused };

/// One process's way to the database, with faults.
class model_store : public store::delivery_store {
  public:
    model_store(virtual_world& world, model_database& database, process_ptr of)
        : world_(world), database_(database), of_(std::move(of)) {}

    bool down = false; ///< every call fails before it happens
    milliseconds latency{2};
    /// Asked for each call that reaches the database; null: all is done.
    std::function<fate(call)> decide;
    /// Asked for each batch of records, to refuse one that has a certain record in it.
    std::function<fate(std::vector<store::attempt_record> const&)> decide_record;
    std::map<call, int> calls; ///< how many were begun

    task<result<instance_id>> register_instance(std::string name) override;
    task<result<void>> heartbeat(instance_id self) override;
    task<result<std::vector<policy::instance_sighting>>> instances() override;
    task<result<std::optional<std::uint64_t>>> reap(policy::instance_sighting dead) override;
    task<result<std::uint64_t>> leave(instance_id self) override;
    task<result<store::due_result>> claim_due(store::due_request request) override;
    task<result<store::parked_result>> claim_parked(instance_id owner, std::vector<store::lane_room> rooms) override;
    task<result<std::vector<webhook_id>>> parked_webhooks(webhook_id after, std::uint32_t limit) override;
    task<result<void>> hand_back(instance_id owner, std::vector<delivery_id> deliveries, bool parked) override;
    task<result<store::record_result>> record(instance_id owner, std::vector<store::attempt_record> batch) override;
    task<result<std::vector<store::webhook>>> load_webhooks(std::vector<webhook_id> ids) override;

  private:
    template <class T>
    task<result<T>> carry_out(call which, std::function<T()> what, fate wanted = fate::done);

    virtual_world& world_;
    model_database& database_;
    process_ptr of_;
};

} // namespace klen::webhooks::testing
