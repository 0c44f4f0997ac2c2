#pragma once

#include "klen/webhooks/store/types.hpp"

#include <cstddef>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::app {

/// What is known of webhooks' health and not written down yet: a webhook's records are added up, so that a database
/// that is away costs no memory by time, only by webhooks, and of those at most `webhooks_max`. Pure.
class health_backlog {
  public:
    explicit health_backlog(std::size_t webhooks_max) : webhooks_max_(webhooks_max) {}

    /// Returns how many records there was no room for. Records come in the order in which things happened.
    std::size_t add(std::vector<store::health_record> const& records);
    /// At most `count` webhooks' records, to be written.
    std::vector<store::health_record> first(std::size_t count) const;
    /// They are written; nothing was added meanwhile.
    void forget(std::vector<store::health_record> const& written);

    bool empty() const { return waiting_.empty(); }

  private:
    std::size_t webhooks_max_;
    std::unordered_map<webhook_id, store::health_record> waiting_;
};

/// `earlier` and `later` as one record.
store::health_record joined(store::health_record earlier, store::health_record const& later);

} // namespace klen::webhooks::app
