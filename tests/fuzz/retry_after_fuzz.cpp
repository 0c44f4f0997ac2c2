// Hostile values of Retry-After.
#include "klen/webhooks/policy/verdict.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace std::chrono;
    system_clock::time_point const now{seconds{1'770'000'000}};
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    auto const wait = klen::webhooks::policy::parse_retry_after(text, now);
    if (wait && (*wait < seconds::zero() || *wait > hours(24 * 366)))
        std::abort();
    return 0;
}
