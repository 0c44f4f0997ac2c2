#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/types.hpp"

#include <memory>
#include <optional>
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

/// What has changed since the last look, made by any instance.
struct changes {
    std::vector<std::pair<webhook_id, std::int64_t>> webhooks; ///< id, revision; may repeat known ones
    std::vector<api_key_row> api_keys;
    std::string cursor; ///< for the next call
};

/// What the API and the command line read and write. Tasks resume on the caller's executor. Every call with an
/// `account_id` touches that account's rows only; another's id is `not_found`.
class api_store {
  public:
    virtual ~api_store() = default;

    /// `w.id`, `revision` and times are filled in; `secret` is sealed by the caller. Returns the stored row.
    virtual task<result<webhook>> create_webhook(webhook w, sealed_secret secret) = 0;
    virtual task<result<page_of<webhook>>> list_webhooks(std::string account_id, page_request page) = 0;
    virtual task<result<webhook>> show_webhook(std::string account_id, webhook_id id) = 0;
    /// Marks it deleted; its pending deliveries are cancelled by dispatch.
    virtual task<result<void>> delete_webhook(std::string account_id, webhook_id id) = 0;

    /// The event and its deliveries with their attempts.
    virtual task<result<event_row>> show_event(std::string account_id, event_id id) = 0;

    virtual task<result<api_key_row>> create_api_key(api_key_row key) = 0;
    virtual task<result<std::vector<api_key_row>>> list_api_keys() = 0;

    /// `cursor` empty: everything that exists (api keys only; webhooks are loaded on demand).
    virtual task<result<changes>> changes_since(std::string cursor) = 0;

    /// Names in the catalogue.
    virtual task<result<std::vector<std::string>>> event_types() = 0;

    /// Answers within a second or fails: for /readyz.
    virtual task<result<void>> ping() = 0;

    /// Makes partitions for the days ahead, drops those past the retention, removes expired idempotency keys. One
    /// instance at a time (advisory lock). Returns what it did, for the log.
    virtual task<result<std::vector<std::string>>> maintain(hours events_kept, hours idempotency_window) = 0;
};

std::unique_ptr<api_store> make_api_store(connection_options const& options, std::uint32_t connections);

} // namespace klen::webhooks::store
