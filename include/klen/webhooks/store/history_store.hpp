#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/types.hpp"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::store {

/// Which deliveries a list shows, newest first. Empty members do not filter.
struct delivery_filter {
    std::vector<delivery_status> status{}; ///< any of these
    std::string event_type{};
    std::optional<policy::error_class> error{}; ///< with at least one attempt that ended so
    std::optional<wall_time> since{};           ///< accepted then or later
    std::optional<wall_time> until{};           ///< accepted before
    std::optional<delivery_id> after{};         ///< the cursor: what comes after this one in the list
    std::uint32_t limit = 50;
};

struct event_filter {
    std::string event_type{};
    std::optional<wall_time> since{};
    std::optional<wall_time> until{};
    std::optional<event_id> after{};
    std::uint32_t limit = 50;
};

/// A part of a list that grows without end.
template <class T>
struct slice_of {
    std::vector<T> items;
    bool more = false; ///< there is more after the last one
};

/// Which attempts of a delivery are shown: the newest, or the newest of those before an earlier part's first one.
struct attempts_filter {
    std::optional<int> before{};
    std::uint32_t limit = 20;
};

/// A delivery with everything that is known of it.
struct delivery_details {
    delivery_row delivery;          ///< with its last attempt, and a part of its attempts, response bodies included
    bool more = false;              ///< there are attempts before these
    std::optional<event_row> event; ///< without its deliveries; none: past its retention
    /// One for each attempt of the part, in their order: what its request headers were made of. None: nothing was sent,
    /// or it is not known any more.
    std::vector<std::optional<request_origin>> origins;
};

/// Which deliveries of an event are shown with it. A delivery may have been sent again any number of times: of each the
/// newest attempts are shown.
struct event_deliveries_filter {
    std::optional<delivery_id> after{};
    std::uint32_t limit = 50;
    std::uint32_t attempts_of_each = 20;
};

/// An event with a part of its deliveries.
struct event_details {
    event_row event; ///< its deliveries with the newest attempts of each
    bool more = false;
};

struct recover_request {
    job_id id{};
    std::optional<wall_time> since{};
    wall_time until{};
    bool never_attempted = false;
};

/// How much a step of a job may take on.
struct job_plan {
    std::uint32_t deliveries_max = 1;
    std::unordered_map<job_id, std::uint32_t> smaller{}; ///< jobs whose steps may look at fewer
    std::vector<job_id> resting{};                       ///< jobs that are not stepped now
};

/// Both as one record, of one webhook.
health_record joined(health_record earlier, health_record const& later);

/// Deliveries, attempts and events as the API shows them, and what it can have done with them. Tasks resume on the
/// caller's executor. Every call touches the given account's rows only; another's id is `not_found`. Lists walk along
/// an index for each of their filters, so they cost the same whatever else is on record.
class history_store {
  public:
    virtual ~history_store() = default;

    /// As api_store::answer_within: for the calls that name an account.
    virtual void answer_within(milliseconds /*patience*/) {}

    /// Deliveries of one webhook, without attempts but with the last one. A delivery that is added meanwhile is newer
    /// than the cursor, so the next slice neither repeats nor misses one.
    virtual task<result<slice_of<delivery_row>>> list_deliveries(std::string account_id, webhook_id webhook,
                                                                 delivery_filter filter) = 0;
    virtual task<result<delivery_details>> show_delivery(std::string account_id, delivery_id id,
                                                         attempts_filter which) = 0;
    /// Events without bodies and deliveries.
    virtual task<result<slice_of<event_row>>> list_events(std::string account_id, event_filter filter) = 0;
    /// The event and its deliveries with their attempts, in the order of `event_deliveries`.
    virtual task<result<event_details>> show_event(std::string account_id, event_id id,
                                                   event_deliveries_filter which) = 0;
    /// The event's deliveries alone, filtered; by id, descending.
    virtual task<result<slice_of<delivery_row>>> event_deliveries(std::string account_id, event_id id,
                                                                  delivery_filter filter) = 0;

    /// Sends a delivery once more, as soon as its lane has room. A finished one gets one attempt. One that waits for
    /// its schedule's next attempt gets an extra one; when that fails the schedule goes on as if nothing had been; when
    /// it succeeds the delivery is delivered. Returns it as it is now. `conflict`: an attempt is under way, its
    /// webhook is disabled or deleted, or it was attempted `attempts_of_delivery_max` times; `not_found` when its event
    /// is past its retention as well. `call`: repeated with the same id, even long after its attempt was made, it sends
    /// nothing more.
    virtual task<result<delivery_row>> resend(std::string account_id, delivery_id id, uuid call) = 0;
    /// Takes a waiting delivery out of the queue, with a row in attempts that says so. `conflict`: an attempt is under
    /// way, or it is finished.
    virtual task<result<delivery_row>> cancel(std::string account_id, delivery_id id) = 0;

    /// Begins a job (repeated with the same id it changes nothing). Recover: every delivery of the webhook that failed
    /// and whose event was accepted in the time given starts its schedule anew; with `never_attempted` events of that
    /// time that match its subscription now and of which it never had a delivery get one. What is pending is left
    /// alone, so a second job finds nothing to do. `conflict`: the webhook is disabled. Cancel: takes out of the queue
    /// what waits.
    virtual task<result<webhook_job>> begin_recover(std::string account_id, webhook_id webhook,
                                                    recover_request what) = 0;
    virtual task<result<webhook_job>> begin_cancel(std::string account_id, webhook_id webhook, job_id id) = 0;
    virtual task<result<webhook_job>> show_job(std::string account_id, job_id id) = 0;
    /// The newest jobs of a webhook.
    virtual task<result<std::vector<webhook_job>>> list_jobs(std::string account_id, webhook_id webhook,
                                                             std::uint32_t limit) = 0;
    /// One short step of the job whose last step is the longest ago, that no other instance is at and that does not
    /// rest, in one transaction. None: nothing to do now. An error is none of a job's: of a step that failed one is
    /// told which job's it was.
    struct job_step {
        webhook_job job;               ///< as it is now; as it was, if the step failed
        bool parked = false;           ///< deliveries of its webhook were put into the queue: tell dispatch
        std::optional<failure> failed; ///< nothing was done, or (a lost connection) nobody knows
    };
    virtual task<result<std::optional<job_step>>> step_job(job_plan how) = 0;

    /// What is shown with a webhook.
    virtual task<result<webhook_health>> health(std::string account_id, webhook_id webhook) = 0;
    /// A batch whose number is not above the last one of the same teller changes nothing.
    virtual task<result<void>> add_health(health_batch batch) = 0;

    /// The oldest events that wait to be published; `forget_operational` when they are.
    virtual task<result<std::vector<operational_event>>> operational_events(std::uint32_t limit) = 0;
    virtual task<result<void>> forget_operational(std::vector<std::string> outbox_ids) = 0;
};

/// With connections of its own: a slow list keeps no webhook call waiting.
std::unique_ptr<history_store> make_history_store(connection_options const& options, std::uint32_t connections);

} // namespace klen::webhooks::store
