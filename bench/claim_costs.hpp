#pragma once

#include "kit/database.hpp"
#include "kit/report.hpp"

#include "app/io_threads.hpp"
#include "klen/webhooks/store/delivery_store.hpp"

#include <functional>
#include <memory>
#include <string>

namespace klen::bench {

struct claim_cost {
    latency_summary time;
    double postgres_us = 0; ///< CPU of a delivery claimed
    boost::json::object to_json() const;
};

/// Claims of 500 through the delivery store, on a database that no daemon works on. What is claimed is given back.
class claim_costs {
  public:
    claim_costs(std::string const& url, std::size_t claims);
    ~claim_costs();
    claim_costs(claim_costs const&) = delete;
    claim_costs& operator=(claim_costs const&) = delete;

    /// Claims that find nothing; everything waits for later.
    latency_summary nothing_due();
    /// Which deliveries fall due: those of an outage, one after the other as they came, or some from all over the
    /// table.
    enum class order { as_they_came, scattered };
    /// Makes deliveries due, at most half of them, and claims them.
    claim_cost due(std::size_t waiting, order how);
    /// The same, when they are parked for one webhook, the first of bench/growth_fill.sql.
    claim_cost parked();
    /// What is due is due in three hours again.
    void put_off() {
        link_.run("UPDATE deliveries SET next_attempt_at = now() + interval '3 hours' WHERE next_attempt_at < now()");
    }
    void forget_all() { link_.run("TRUNCATE deliveries"); }

  private:
    using claimed = std::vector<webhooks::store::claimed_delivery>;
    claim_cost measure(std::function<claimed()> const& claim, bool parked);
    claimed claim_due();
    claimed claim_parked();
    void give_back(std::vector<webhooks::delivery_id> all, bool parked);

    database_link link_;
    std::size_t claims_;
    std::size_t due_ = 0; ///< so many are due now
    webhooks::app::io_threads io_{"claims", 1};
    std::unique_ptr<webhooks::store::delivery_store> queue_;
    webhooks::instance_id owner_;
};

} // namespace klen::bench
