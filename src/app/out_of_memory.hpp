#pragma once

namespace klen::webhooks::app {

/// From now on an allocation that fails is waited for: the thread stands still until there is memory, and goes on as if
/// nothing had been. To the rest of the service the daemon is frozen meanwhile: its leases pass to others, and it
/// notices when it wakes up; an exception in the middle of anything would end it. C libraries get no memory and say so.
/// After half a minute of that the process ends, with exit code 4 and a line on standard error: then it will not get
/// better by itself.
void wait_for_memory();

} // namespace klen::webhooks::app
