#pragma once

#include "session.hpp"

#include "klen/webhooks/store/history_store.hpp"

/// Work over many deliveries of a webhook, in steps. A step is one transaction that holds the job's row, so its
/// progress and what it did are in one commit, and no two instances are at one job.
namespace klen::webhooks::store {

result<webhook_job> begin_recover_job(session& on, std::string const& account_id, webhook_id webhook,
                                      recover_request const& what);
result<webhook_job> begin_cancel_job(session& on, std::string const& account_id, webhook_id webhook, job_id id);
result<webhook_job> read_job(session& on, std::string const& account_id, job_id id);
result<std::vector<webhook_job>> read_jobs(session& on, std::string const& account_id, webhook_id webhook,
                                           std::uint32_t limit);
result<std::optional<history_store::job_step>> take_job_step(session& on, job_plan const& how);

} // namespace klen::webhooks::store
