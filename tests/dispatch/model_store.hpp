#pragma once

#include "dispatch/virtual_world.hpp"
#include "support/modelled_store.hpp"

#include <functional>
#include <map>
#include <vector>

namespace klen::webhooks::testing {

/// One process's way to the database, with faults.
class model_store : public modelled_store {
  public:
    model_store(virtual_world& world, model_database& database, process_ptr of)
        : modelled_store(database), world_(world), of_(std::move(of)) {}

    bool down = false; ///< every call fails before it happens
    milliseconds latency{2};
    std::map<call, milliseconds> latency_of; ///< where it is another
    /// Asked for each call that reaches the database; null: all is done.
    std::function<fate(call)> decide;
    /// Asked for each batch of records, to refuse one that has a certain record in it.
    std::function<fate(std::vector<store::attempt_record> const&)> decide_record;
    std::map<call, int> calls; ///< how many were begun

  private:
    task<fate> travel(call which, effect what, fate wanted) override;
    fate judge(std::vector<store::attempt_record> const& batch) override {
        return decide_record ? decide_record(batch) : fate::done;
    }

    virtual_world& world_;
    process_ptr of_;
};

} // namespace klen::webhooks::testing
