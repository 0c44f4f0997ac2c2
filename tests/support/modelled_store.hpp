#pragma once

#include "support/model_database.hpp"

#include <functional>
#include <string>
#include <vector>

namespace klen::webhooks::testing {

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
inline constexpr std::size_t calls_count = 11;

/// What becomes of a call.
enum class fate { done, lost_before, lost_after, busy, refused };

/// The store's interface in front of a model of the database. How a call gets there and back is up to the child.
class modelled_store : public store::delivery_store {
  public:
    explicit modelled_store(model_database& database) : database_(database) {}

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

  protected:
    /// What a call does to the database; `sent`: what the caller's steady clock showed when the statement left.
    using effect = std::function<void(steady_time sent)>;

    /// Brings the call to the database, where `what` is done at most once (perhaps after the caller was told that the
    /// connection is lost), and tells what the caller hears. `done` only after `what`.
    virtual task<fate> travel(call which, effect what, fate wanted) = 0;
    /// Whether the database refuses a batch of records for what is in it.
    virtual fate judge(std::vector<store::attempt_record> const&) { return fate::done; }

    model_database& database() { return database_; }

  private:
    template <class T>
    task<result<T>> carry_out(call which, std::function<T(steady_time)> what, fate wanted = fate::done);

    model_database& database_;
};

} // namespace klen::webhooks::testing
