#include "parts.hpp"

#include "kit/cpu.hpp"
#include "kit/times.hpp"

#include "dispatch/request_headers.hpp"
#include "klen/webhooks/base/settings.hpp"

namespace klen::bench {

namespace kw = klen::webhooks;

part_cost measure_signing(std::size_t body_bytes, double seconds) {
    auto const delivery = kw::default_config().delivery;
    kw::dispatch::header_template const lines(delivery.header_prefix, "klen-webhooks/bench", {});
    kw::signing::webhook_signer signer({{kw::signing::secret::generate(), std::nullopt}});
    std::string const body(body_bytes, 'x');
    kw::dispatch::signed_message message;
    message.delivery = kw::make_id<kw::delivery_id>();
    message.event_type = "call.ended";
    message.body = body;
    message.signed_at = kw::dispatch::unix_seconds(std::chrono::system_clock::now());

    constexpr int between_looks = 1000;
    auto const began = now_ns();
    auto const cpu = cpu_of_this_thread();
    std::uint64_t made = 0;
    std::size_t bytes = 0; // used below, so that nothing is optimised away
    while (seconds_since(began) < seconds) {
        for (int i = 0; i < between_looks; ++i)
            bytes += signed_headers(lines, signer, message).size();
        made += between_looks;
    }
    part_cost out;
    auto const items = static_cast<double>(bytes > 0 ? made : 0);
    out.per_second = items / seconds_since(began);
    out.daemon_us = (cpu_of_this_thread() - cpu) / items * 1e6;
    return out;
}

} // namespace klen::bench
