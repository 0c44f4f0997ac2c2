#pragma once

#include "session.hpp"

namespace klen::webhooks::store {

/// A commit whose answer was lost may still be running: its backend may not have noticed yet, or not even have read the
/// statement. Ends that backend and waits for it (at most a second), so that what can be seen afterwards is final.
/// True: it is gone. Roles may end their own backends, so this needs no privilege.
result<bool> end_backend(session& link, backend_identity const& which);

} // namespace klen::webhooks::store
