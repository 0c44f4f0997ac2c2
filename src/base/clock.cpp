#include "klen/webhooks/base/clock.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace klen::webhooks {

boot_clock::time_point boot_clock::now() noexcept {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t); // cannot fail: the clock exists since Linux 2.6.39
    return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

clock const& system_clock() {
    struct machine_clock final : clock {
        steady_time steady() const override { return std::chrono::steady_clock::now(); }
        wall_time wall() const override { return std::chrono::system_clock::now(); }
        boot_time boot() const override { return boot_clock::now(); }
    };
    static machine_clock const the_clock;
    return the_clock;
}

std::string rfc3339_ms(wall_time at) {
    auto const ms = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
    auto const second = static_cast<std::time_t>(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
    auto const rest = static_cast<int>(ms - static_cast<long long>(second) * 1000);
    std::tm parts{};
    gmtime_r(&second, &parts);
    std::array<char, 80> out{};
    int const n = std::snprintf(out.data(), out.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, rest);
    return {out.data(), static_cast<std::size_t>(n)};
}

} // namespace klen::webhooks
