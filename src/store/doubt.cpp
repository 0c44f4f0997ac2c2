#include "doubt.hpp"

namespace klen::webhooks::store {

namespace {

// The start time tells the backend from a later one with the same pid.
constexpr statement end_one{"end_backend", "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                                           " WHERE pid = $1::integer AND backend_start = $2::text::timestamptz"};

} // namespace

result<bool> end_backend(session& link, backend_identity const& which) {
    auto const answer = link.run(end_one, parameters().int4(which.pid).text(which.started));
    if (!answer)
        return answer.error();
    return answer->empty() || answer->boolean(0, 0);
}

} // namespace klen::webhooks::store
