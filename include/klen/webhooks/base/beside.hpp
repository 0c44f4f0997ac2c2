#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/result.hpp"

#include <functional>
#include <string>

namespace klen::webhooks {

/// Runs what would hold an io thread for too long on a thread that is for that, where the accounts take turns.
/// Completes on the caller's executor. Not having run it, it fails with `over_limit` (too much of that account waits),
/// `overloaded` or `shutting_down`; with `corrupt` when it threw. May be empty: then it runs at once, where it is
/// called.
using run_beside = std::function<task<result<void>>(std::string account_id, std::function<void()> what)>;

} // namespace klen::webhooks
