#pragma once

#include "klen/webhooks/store/history_store.hpp"

#include <cstddef>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::app {

/// What is known of webhooks' health and not written down yet: a webhook's records are added up, so that a database
/// that is away costs no memory by time, only by webhooks, and of those at most `webhooks_max`. What is being written
/// is kept as it is until it is known to be written, whatever is added meanwhile: nobody knows what a lost answer said,
/// and the same batch again counts nothing twice. Pure.
class health_backlog {
  public:
    /// `told_by`: of the batches.
    health_backlog(uuid told_by, std::size_t webhooks_max) : webhooks_max_(webhooks_max) {
        under_way_.told_by = told_by;
    }

    /// Returns how many records there was no room for. Records come in the order in which things happened.
    std::size_t add(std::vector<store::health_record> const& records);
    /// What is to be written next: the batch that is under way, else at most `count` webhooks' records.
    store::health_batch const& next(std::size_t count);
    /// The batch is written.
    void forget();

    bool empty() const { return waiting_.empty() && under_way_.records.empty(); }

  private:
    std::size_t webhooks_max_;
    store::health_batch under_way_;
    std::unordered_map<webhook_id, store::health_record> waiting_;
};

} // namespace klen::webhooks::app
