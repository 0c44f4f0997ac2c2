#pragma once

namespace klen::webhooks::app {

/// From now on this process leaves no core dump, for a collector neither, and only root may look into its memory: it
/// holds the master key and the webhooks' secrets. Programs that it starts may be looked into again, and leave no core
/// files. /proc/<pid>/stat, status and limits stay readable.
void forbid_core_dumps();

} // namespace klen::webhooks::app
