#pragma once

#include <string_view>

namespace klen::webhooks {

/// Version of this build, "0.1.0".
std::string_view version();

} // namespace klen::webhooks
