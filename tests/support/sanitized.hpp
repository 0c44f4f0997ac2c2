// What a sanitizer changes for a test: everything takes several times as long and as much memory.
#pragma once

namespace klen::webhooks::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

} // namespace klen::webhooks::testing
