#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/types.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace klen::webhooks::store {

struct page_request {
    std::uint32_t page = 1; ///< 1-based
    std::uint32_t limit = 50;
};

template <class T>
struct page_of {
    std::vector<T> items;
    std::uint64_t count = 0; ///< in all
};

/// Which webhooks a list shows; empty members do not filter.
struct webhook_filter {
    std::optional<std::string> account_id; ///< none: every account's, for a platform key
    std::optional<bool> enabled;
    std::string event_type; ///< those that an event of this type would go to
    std::string text;       ///< in name or URL, whatever the case
};

/// What a change sets; empty members stay as they are.
struct webhook_change {
    std::optional<std::string> name;
    std::optional<std::string> url;
    std::optional<std::string> description;
    std::optional<std::vector<std::string>> subscribed_events;
    std::optional<std::vector<std::pair<std::string, std::string>>> headers;
    std::optional<std::string> metadata;
    std::optional<std::optional<int>> max_concurrency;     ///< inner none: no limit of its own
    std::optional<std::optional<int>> max_rate_per_second; ///< the same
    std::optional<bool> enabled;                           ///< enabling also forgets how long it was failing
    std::optional<std::string> disabled_note;              ///< with `enabled` false
};

/// What has changed since the last look, made by any instance.
struct changes {
    std::vector<std::pair<webhook_id, std::int64_t>> webhooks; ///< id, revision; may repeat known ones
    std::vector<api_key_row> api_keys;
    std::string cursor; ///< for the next call
};

/// What an operator watches of the queue in the database, whichever daemon's.
struct queue_condition {
    milliseconds oldest_due{0};        ///< how long the delivery that waits longest has been due; 0: none is
    std::uint64_t deliveries = 0;      ///< not finished, as PostgreSQL's statistics have it
    std::uint64_t dead_deliveries = 0; ///< rows that are to be vacuumed, the same
    /// How many transactions ago the oldest one began, or saw its snapshot, that PostgreSQL must still keep dead rows
    /// for.
    std::uint64_t horizon_age = 0;
};

struct event_type_row {
    std::string event_type;
    std::string description;
    std::string sample; ///< JSON of a whole publish request; empty: none
    bool built_in = false;
    wall_time created_at;
};

/// Which keys a call may touch: those of an account, or all.
using key_scope = std::optional<std::string>;

/// A creating call that came with an Idempotency-Key.
struct idempotent_call {
    std::string scope; ///< whose call, method and path
    std::string idempotency_key;
    std::string account_id; ///< among whose calls it counts; empty: nobody's
    std::array<std::uint8_t, 32> request_hash{};
    uuid
        resource_id; ///< proposed, and never used before: the first call's counts, and this one tells who took the call
};
struct idempotent_answer {
    int status = 0;
    std::vector<std::uint8_t> sealed_body;
    std::string key_id;
    uuid resource_id; ///< part of what the seal is bound to
};
/// The first call with the key has not ended.
struct call_under_way {};
/// `begin_idempotent`: the id under which to carry it out, the first call's answer, or that there is none yet.
using idempotent_begin = std::variant<uuid, idempotent_answer, call_under_way>;

/// What the API and the command line read and write. Tasks resume on the caller's executor. Every call with an
/// `account_id` touches that account's rows only; another's id is `not_found`. It counts among that account's calls, of
/// which there are so many at once at most (`over_limit`), and never on all connections.
class api_store {
  public:
    virtual ~api_store() = default;

    /// From now on whoever calls waits so long for an answer at most, and is told `unanswered` then; what was begun may
    /// still take effect, what was not never does. 0, at first: as long as it takes. Not for what only the daemon and
    /// the commands ask for (all keys, their last use, sealing anew). Thread-safe.
    virtual void answer_within(milliseconds /*patience*/) {}

    // --- webhooks ---

    /// `w.id`, `revision` and times are filled in; `secret` is sealed by the caller. Returns the stored row, with its
    /// secrets. Repeated with the same id it changes nothing and returns what is there (its secret is then the first
    /// call's). `conflict`: the account has `per_account_max` webhooks (0: no limit).
    virtual task<result<webhook>> create_webhook(webhook w, sealed_secret secret,
                                                 std::uint32_t per_account_max = 0) = 0;
    virtual task<result<page_of<webhook>>> list_webhooks(webhook_filter filter, page_request page) = 0;
    virtual task<result<webhook>> show_webhook(std::string account_id, webhook_id id) = 0;
    /// Returns the row as it is now. A change of URL or headers writes a version.
    virtual task<result<webhook>> change_webhook(std::string account_id, webhook_id id, webhook_change what) = 0;
    /// Marks it deleted; its pending deliveries are cancelled by dispatch.
    virtual task<result<void>> delete_webhook(std::string account_id, webhook_id id) = 0;

    // --- secrets ---

    /// The webhook with those of its secrets that still sign, newest first.
    virtual task<result<webhook>> show_secrets(std::string account_id, webhook_id id) = 0;
    /// `fresh` becomes the newest; the one before ends after `grace`, those before that then as well or at the end of
    /// their own grace, whichever is first. Repeated with the same secret id it changes nothing. Returns what
    /// show_secrets does. `conflict`: ten secrets sign already, and `grace` would have them go on.
    virtual task<result<webhook>> rotate_secret(std::string account_id, webhook_id id, sealed_secret fresh,
                                                seconds grace) = 0;
    /// Seals anew what another key sealed, `limit` at a time, beginning after `after`: `again` is given each secret
    /// with its account and returns it sealed anew (called on the store's thread). Returns the last one looked at and
    /// how many were changed; nil id: there was nothing left. A webhook whose secret was changed gets a new revision.
    /// A secret that `again` refuses stays as it is, and the others are done; it is told in `refused`, or only counted
    /// in `left` when it signs nothing any more.
    struct reseal_step {
        secret_id last;
        std::uint64_t changed = 0;
        std::uint64_t left = 0;
        std::vector<std::pair<webhook_id, failure>> refused;
    };
    virtual task<result<reseal_step>>
    reseal_secrets(secret_id after, std::uint32_t limit, std::string current_key_id,
                   std::function<result<sealed_secret>(sealed_secret const&, std::string const& account_id)> again) = 0;

    // --- API keys ---

    /// Repeated with the same id: the hash becomes the later one as long as the key was never used. `conflict`: the
    /// account has `per_account_max` keys that are not revoked (0: no limit; platform keys have none).
    virtual task<result<api_key_row>> create_api_key(api_key_row key, std::uint32_t per_account_max = 0) = 0;
    virtual task<result<std::vector<api_key_row>>> list_api_keys() = 0;
    virtual task<result<page_of<api_key_row>>> list_api_keys(key_scope scope, page_request page) = 0;
    virtual task<result<api_key_row>> show_api_key(key_scope scope, api_key_id id) = 0;
    /// Idempotent: a revoked key stays as it is. Returns the row as it is now.
    virtual task<result<api_key_row>> revoke_api_key(key_scope scope, api_key_id id) = 0;
    /// When keys were last used; earlier times than those on record change nothing.
    virtual task<result<void>> note_key_use(std::vector<std::pair<api_key_id, wall_time>> used) = 0;

    // --- the catalogue ---

    /// `for_account`: among whose calls it counts; empty: nobody's.
    virtual task<result<std::vector<event_type_row>>> event_types(std::string for_account = {}) = 0;
    /// `conflict`: the type exists.
    virtual task<result<event_type_row>> create_event_type(event_type_row type) = 0;
    /// Empty members stay. `conflict`: it is built in.
    virtual task<result<event_type_row>> change_event_type(std::string event_type,
                                                           std::optional<std::string> description,
                                                           std::optional<std::string> sample) = 0;
    /// `conflict`: it is built in.
    virtual task<result<void>> delete_event_type(std::string event_type) = 0;

    // --- idempotent calls ---

    /// Takes the call, or finds that it was taken; one that is under way is so for a minute at most, then whoever comes
    /// next carries it out. `conflict`: the key was used for another request.
    virtual task<result<idempotent_begin>> begin_idempotent(idempotent_call call) = 0;
    /// `call`: as it was begun.
    virtual task<result<void>> finish_idempotent(idempotent_call call, idempotent_answer answer) = 0;
    /// The call's answer is not kept: a repeat may try again at once, under the same id, because some of it may have
    /// been done (a commit whose fate is unknown). Another request may take the key as well, under its own id.
    /// `call`: as it was begun; when another has taken it over since, nothing changes.
    virtual task<result<void>> forget_idempotent(idempotent_call call) = 0;
    /// The same for a caller who waited long enough for the database: it is done when it can be.
    virtual void forget_idempotent_soon(idempotent_call call) = 0;

    // --- the daemon ---

    /// `cursor` empty: everything that is valid (api keys only; webhooks are loaded on demand).
    virtual task<result<changes>> changes_since(std::string cursor) = 0;

    /// Answers within a second or fails: for /readyz.
    virtual task<result<void>> ping() = 0;

    /// Makes partitions for the days ahead, drops those past the retention, removes expired idempotency keys,
    /// statistics past two days and secrets that stopped signing before the retention. One instance at a time (advisory
    /// lock). Returns what it did, for the log.
    virtual task<result<std::vector<std::string>>> maintain(hours events_kept, hours idempotency_window) = 0;
    /// Fails rather than looks for longer than two seconds.
    virtual task<result<queue_condition>> look_at_queue() = 0;
};

std::unique_ptr<api_store> make_api_store(connection_options const& options, std::uint32_t connections);

} // namespace klen::webhooks::store
