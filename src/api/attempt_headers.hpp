#pragma once

#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::api {

/// The header lines that an attempt was sent with.
struct attempt_headers {
    std::optional<std::string> lines; ///< none: nothing was sent, they are not known any more, or they are left out
    bool left_out = false;            ///< known, but not written in this call
};

/// How much is signed for one call: 64 MiB are a tenth of a second or two, and 20 attempts of a body of 256 KiB while
/// ten secrets are live.
inline constexpr std::uint64_t signed_bytes_max = std::uint64_t{64} << 20;

/// One for each attempt of `of`, in their order. Each is signed anew over the whole body, once for each secret: the
/// newest attempt in any case, earlier ones while all together sign at most `bytes_max`. Takes long: not for an io
/// thread. Any thread.
std::vector<attempt_headers> write_attempt_headers(store::delivery_details const& of, signing::sealer const& seals,
                                                   std::uint64_t bytes_max = signed_bytes_max);
/// Is it a millisecond or two at most, which an io thread can spare?
bool is_soon_written(store::delivery_details const& of);
/// The same where nothing may be signed now.
std::vector<attempt_headers> leave_out_attempt_headers(store::delivery_details const& of);

} // namespace klen::webhooks::api
