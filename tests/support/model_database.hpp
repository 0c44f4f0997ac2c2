#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
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
    steady_time parked_at{};    ///< the last time
    bool as_it_was_born = true; ///< nothing has changed the row since
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

/// Is told of what the database did, at the moment when it is done.
class model_observer {
  public:
    virtual ~model_observer() = default;
    virtual void instance_began(instance_id, std::string const& /*name*/) {}
    virtual void heartbeat_came(instance_id) {}
    /// Before its leases are freed.
    virtual void instance_ends(instance_id, bool /*given_up_by_others*/) {}
    virtual void recorded(model_delivery const&, model_attempt const&) {}
};

/// What the database does, in memory: the same guards, the same order, the same states.
class model_database {
  public:
    /// `now`: the clock of the database. `make_uuid`: where ids come from.
    explicit model_database(std::function<steady_time()> now, std::function<uuid()> make_uuid = make_uuid_v7)
        : now_(std::move(now)), make_uuid_(std::move(make_uuid)) {}

    std::map<delivery_id, model_delivery> deliveries;
    std::map<std::int64_t, model_instance> instances;
    std::map<webhook_id, store::webhook> webhooks;

    std::set<event_id> events;

    std::size_t commits_under_way = 0; ///< of events: sent by writers, and not arrived yet

    model_observer* observer = nullptr; ///< may be null

    /// What became of new deliveries.
    struct born {
        std::vector<store::claimed_delivery> leased;
        std::set<webhook_id> parked;
    };
    /// The event writer's statement, for events that go to every enabled webhook of their account which is subscribed
    /// to their type by name. One that is stored already is left as it is.
    born insert(store::lane_gate::grant const& granted, std::vector<event_ptr> const& batch);
    /// What is there of a batch whose commit was in doubt, as the writer finds it afterwards.
    born find_born(instance_id owner, std::vector<event_ptr> const& batch);

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
    /// None: something is due, but there is no such instance to lease it to.
    std::optional<store::due_result> claim_due(store::due_request const& request);
    store::parked_result claim_parked(instance_id owner, std::vector<store::lane_room> const& rooms);
    std::vector<webhook_id> parked_webhooks(webhook_id after, std::uint32_t limit) const;
    void hand_back(instance_id owner, std::vector<delivery_id> const& ids, bool parked);
    /// `sent`: what the writer's steady clock showed when it wrote the statement.
    store::record_result record(instance_id owner, std::vector<store::attempt_record> const& batch, steady_time sent);
    std::vector<store::webhook> load(std::vector<webhook_id> const& ids) const;

    std::size_t unfinished() const;
    std::size_t parked() const;
    std::size_t leased() const;
    std::size_t ended_as(policy::decision how) const;

  private:
    void park(model_delivery& d) const;
    void requeue(model_delivery& d);
    store::claimed_delivery claim(model_delivery& d, instance_id owner) const;
    store::claimed_delivery lease(model_delivery& d, instance_id owner) const;
    delivery_id bear(store::lane_gate::grant const& granted, event_ptr const& event, webhook_id to, born& out);
    std::uint64_t free_leases(std::int64_t owner);

    std::function<steady_time()> now_;
    std::function<uuid()> make_uuid_;
    std::int64_t last_instance_ = 0;
    std::map<delivery_id, model_delivery*> open_; ///< those that are not finished; a walk over all would be long
};

} // namespace klen::webhooks::testing
