#include "klen/webhooks/store/delivery_store.hpp"

#include "claims.hpp"
#include "clock_watch.hpp"
#include "history_rows.hpp"
#include "outcomes.hpp"
#include "worker.hpp"

#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/base/thread_watch.hpp"

#include <algorithm>
#include <unordered_map>

namespace klen::webhooks::store {

namespace {

constexpr std::size_t jobs_max = 1024;

// What its configuration puts into the headers outlives the instance's row, as its attempts do.
constexpr statement add_instance{"add_instance",
                                 "WITH me AS (INSERT INTO instances (name) VALUES ($1::text) RETURNING instance_id),"
                                 "sender AS (INSERT INTO senders (instance_id, header_prefix, user_agent)"
                                 " SELECT instance_id, $2::text, $3::text FROM me) SELECT instance_id FROM me"};
constexpr statement beat{"heartbeat",
                         "UPDATE instances SET heartbeat_at = clock_timestamp(), heartbeat_count = heartbeat_count + 1"
                         " WHERE instance_id = $1::bigint"
                         " RETURNING (extract(epoch FROM heartbeat_at) * 1000)::bigint"};
constexpr statement list_instances{
    "list_instances", "SELECT instance_id, heartbeat_count,"
                      " (extract(epoch FROM clock_timestamp() - heartbeat_at) * 1000)::bigint FROM instances"};

// The instance's row goes first: from then on nobody can be leased anything in its name, so the leases that the second
// statement sees are all there are.
constexpr statement remove_dead{"remove_dead_instance", "DELETE FROM instances WHERE instance_id = $1::bigint AND"
                                                        " heartbeat_count = $2::bigint RETURNING instance_id"};
constexpr statement remove_self{"remove_own_instance", "DELETE FROM instances WHERE instance_id = $1::bigint"};
constexpr statement free_leases{"free_leases",
                                "UPDATE deliveries SET lease_owner = NULL WHERE lease_owner = $1::bigint"};

// A loose index scan: one step for each webhook that has something parked, however much it is. The rows come in the
// order of their ids, so the limit ends the recursion early. Deleted webhooks too: theirs are to be cancelled.
constexpr statement list_parked_webhooks{
    "list_parked_webhooks",
    "WITH RECURSIVE step (webhook_id) AS ("
    " (SELECT webhook_id FROM deliveries WHERE lease_owner IS NULL AND parked AND webhook_id > $1::uuid"
    "  ORDER BY webhook_id LIMIT 1)"
    " UNION ALL"
    " SELECT (SELECT d.webhook_id FROM deliveries d WHERE d.lease_owner IS NULL AND d.parked"
    "  AND d.webhook_id > step.webhook_id ORDER BY d.webhook_id LIMIT 1)"
    " FROM step WHERE step.webhook_id IS NOT NULL) "
    "SELECT step.webhook_id FROM step CROSS JOIN LATERAL (SELECT FROM webhooks"
    "  WHERE webhook_id = step.webhook_id AND (enabled OR deleted_at IS NOT NULL) OFFSET 0) w LIMIT $2::integer"};

constexpr statement read_webhooks{"read_webhooks", "SELECT " KLEN_WEBHOOK_COLUMNS
                                                   " FROM webhooks w WHERE w.webhook_id = ANY ($1::uuid[])"};
constexpr statement read_secrets{"read_secrets", "SELECT webhook_id, " KLEN_SECRET_COLUMNS
                                                 " FROM webhook_secrets WHERE webhook_id = ANY ($1::uuid[])"
                                                 " AND (expires_at IS NULL OR expires_at > clock_timestamp())"
                                                 " ORDER BY webhook_id, expires_at IS NULL DESC, added_revision DESC,"
                                                 " created_at DESC, secret_id DESC"};

result<std::vector<webhook>> read_with_secrets(session& link, std::vector<webhook_id> const& ids) {
    auto const wanted = parameters().array(uuid_array(ids));
    auto const found = link.run(read_webhooks, wanted);
    if (!found)
        return found.error();
    auto const secrets = link.run(read_secrets, wanted);
    if (!secrets)
        return secrets.error();
    std::vector<webhook> out;
    std::unordered_map<webhook_id, std::size_t> place;
    for (std::size_t i = 0; i < found->size(); ++i) {
        out.push_back(webhook_at(*found, i));
        place[out.back().id] = i;
    }
    for (std::size_t i = 0; i < secrets->size(); ++i) {
        auto const at = place.find(secrets->id<webhook_id>(i, 0));
        if (at != place.end())
            out[at->second].secrets.push_back(secret_at(*secrets, i, 1));
    }
    return out;
}

/// Deletes the instance's row with `remove` and frees its leases, all or nothing. None: there was no such row.
result<std::optional<std::uint64_t>> end_instance(session& link, statement const& remove, parameters const& which,
                                                  instance_id id, bool row_must_exist) {
    std::optional<std::uint64_t> freed;
    auto const done = link.transact([&](session::work& in) -> result<void> {
        // Freeing reads the whole queue: there is no index by owner, because it would cost every delivery something.
        // Its row may be locked by a claim of its own in which it froze; then the next round tries again.
        if (auto set = in.run_text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '500ms'"); !set)
            return set.error();
        auto const removed = in.run(remove, which);
        if (!removed)
            return removed.error();
        if (row_must_exist && removed->affected() == 0)
            return {};
        auto const leases = in.run(free_leases, parameters().int8(id.value));
        if (!leases)
            return leases.error();
        freed = leases->affected();
        return {};
    });
    if (!done)
        return done.error();
    return freed;
}

/// Between the two statements of a claim, which take milliseconds. Short beside a lease of the usual length.
constexpr milliseconds claim_idle_max{2000};

class real_store final : public delivery_store {
  public:
    real_store(connection_options const& options, delivery_config const& delivery)
        : delivery_(delivery), rules_{delivery.disable_after, delivery.failing_after, delivery.operational_account},
          heartbeats_(options, {.name = "heartbeat", .statement_timeout = options.statement_timeout}, 1, jobs_max,
                      duty::deliveries),
          claims_(options,
                  {.name = "claims",
                   .statement_timeout = options.statement_timeout,
                   .idle_transaction_timeout = claim_idle_max,
                   .index_plans = true},
                  1, jobs_max, duty::deliveries),
          outcomes_(options, {.name = "outcomes", .index_plans = true}, 1, jobs_max, duty::deliveries) {}

    task<result<instance_id>> register_instance(std::string name) override {
        parameters with;
        with.text(storable_text(name)).text(storable_text(delivery_.header_prefix));
        with.text(storable_text(delivery_.user_agent));
        std::function<result<instance_id>(session&)> job = [with](session& on) -> result<instance_id> {
            auto const added = on.run(add_instance, with);
            if (!added)
                return added.error();
            return instance_id{added->int8(0, 0)};
        };
        return heartbeats_.call(std::move(job));
    }

    task<result<void>> heartbeat(instance_id self) override {
        std::function<result<void>(session&)> job = [this, self](session& on) -> result<void> {
            if (auto const hung = hung_delivery_threads(); !hung.empty())
                return failure{fault::io, "threads hang, so that others had better take over: " + hung};
            auto const asked = boot_clock::now();
            auto const seen = on.run(beat, parameters().int8(self.value));
            if (!seen)
                return seen.error();
            if (seen->empty())
                return failure{fault::lease_lost, "this instance was given up by the others"};
            if (auto const jumped = clock_.seen(milliseconds(seen->int8(0, 0)), asked, boot_clock::now()))
                log::warn("the database's clock has jumped: what waits is due earlier or later by as much",
                          {{"jumped_ms", *jumped}});
            return {};
        };
        return heartbeats_.call(std::move(job));
    }

    task<result<std::vector<policy::instance_sighting>>> instances() override {
        using rows_of = std::vector<policy::instance_sighting>;
        std::function<result<rows_of>(session&)> job = [](session& on) -> result<rows_of> {
            auto const found = on.run(list_instances);
            if (!found)
                return found.error();
            rows_of out;
            for (std::size_t i = 0; i < found->size(); ++i)
                out.push_back({instance_id{found->int8(i, 0)}, found->int8(i, 1), milliseconds(found->int8(i, 2))});
            return out;
        };
        return heartbeats_.call(std::move(job));
    }

    // With the claims: a heartbeat must not wait while a long queue is read through.
    task<result<std::optional<std::uint64_t>>> reap(policy::instance_sighting dead) override {
        using freed = std::optional<std::uint64_t>;
        std::function<result<freed>(session&)> job = [dead](session& on) {
            auto const which = parameters().int8(dead.id.value).int8(dead.heartbeat_count);
            return end_instance(on, remove_dead, which, dead.id, true);
        };
        return claims_.call(std::move(job));
    }

    task<result<std::uint64_t>> leave(instance_id self) override {
        std::function<result<std::uint64_t>(session&)> job = [self](session& on) -> result<std::uint64_t> {
            auto const freed = end_instance(on, remove_self, parameters().int8(self.value), self, false);
            if (!freed)
                return freed.error();
            return freed->value_or(0);
        };
        return claims_.call(std::move(job));
    }

    task<result<due_result>> claim_due(due_request request) override {
        std::function<result<due_result>(session&)> job = [this, request = std::move(request)](session& on) {
            return waiting_.due(on, request);
        };
        return claims_.call(std::move(job));
    }

    task<result<parked_result>> claim_parked(instance_id owner, std::vector<lane_room> rooms) override {
        std::function<result<parked_result>(session&)> job = [this, owner, rooms = std::move(rooms)](session& on) {
            return waiting_.parked(on, owner, rooms);
        };
        return claims_.call(std::move(job));
    }

    task<result<std::vector<webhook_id>>> parked_webhooks(webhook_id after, std::uint32_t limit) override {
        using ids = std::vector<webhook_id>;
        std::function<result<ids>(session&)> job = [after, limit](session& on) -> result<ids> {
            auto const found =
                on.run(list_parked_webhooks, parameters().id(after).int4(static_cast<std::int32_t>(limit)));
            if (!found)
                return found.error();
            ids out;
            for (std::size_t i = 0; i < found->size(); ++i)
                out.push_back(found->id<webhook_id>(i, 0));
            return out;
        };
        return claims_.call(std::move(job));
    }

    task<result<void>> hand_back(instance_id owner, std::vector<delivery_id> deliveries, bool parked) override {
        std::function<result<void>(session&)> job = [owner, deliveries = std::move(deliveries), parked](session& on) {
            return release(on, owner, deliveries, parked);
        };
        return claims_.call(std::move(job));
    }

    task<result<record_result>> record(instance_id owner, std::vector<attempt_record> batch) override {
        std::function<result<record_result>(session&)> job = [this, owner, batch = std::move(batch)](session& on) {
            return record_outcomes(on, owner, batch, rules_);
        };
        return outcomes_.call(std::move(job));
    }

    task<result<std::vector<webhook>>> load_webhooks(std::vector<webhook_id> ids) override {
        std::function<result<std::vector<webhook>>(session&)> job = [ids = std::move(ids)](session& on) {
            return read_with_secrets(on, ids);
        };
        return claims_.call(std::move(job));
    }

  private:
    delivery_config delivery_;
    failure_rules rules_;
    claims waiting_;    ///< used by the thread of `claims_` only
    clock_watch clock_; ///< used by the thread of `heartbeats_` only
    worker heartbeats_;
    worker claims_;
    worker outcomes_;
};

} // namespace

std::unique_ptr<delivery_store> make_delivery_store(connection_options const& options,
                                                    delivery_config const& delivery) {
    return std::make_unique<real_store>(options, delivery);
}

} // namespace klen::webhooks::store
