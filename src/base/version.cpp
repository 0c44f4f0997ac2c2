#include "klen/webhooks/base/version.hpp"

namespace klen::webhooks {

std::string_view version() { return KLEN_VERSION; }

} // namespace klen::webhooks
