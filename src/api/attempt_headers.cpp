#include "attempt_headers.hpp"

#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/dispatch/test_sender.hpp"

namespace klen::webhooks::api {

namespace {

bool is_known(store::delivery_details const& of, std::size_t which) {
    return of.event && which < of.origins.size() && of.origins[which];
}

/// One signature is over the body alone, and one for each secret over the body and what names the attempt.
std::uint64_t bytes_signed(store::delivery_details const& of, std::size_t which) {
    return of.event->body.size() * (1 + of.origins[which]->secrets.size());
}

std::optional<std::string> lines_of(store::delivery_details const& of, std::size_t which,
                                    signing::sealer const& seals) {
    auto const& attempt = of.delivery.attempts[which];
    auto lines = dispatch::written_again(*of.origins[which], attempt, of.delivery, *of.event, seals);
    if (!lines) {
        log::warn(
            "the headers of an attempt cannot be written again",
            {{"delivery_id", of.delivery.id}, {"attempt", attempt.attempt}, {"error.message", lines.error().message}});
        return std::nullopt;
    }
    return lines->empty() ? std::nullopt : std::optional(std::move(*lines));
}

} // namespace

std::vector<attempt_headers> write_attempt_headers(store::delivery_details const& of, signing::sealer const& seals,
                                                   std::uint64_t bytes_max) {
    std::vector<attempt_headers> out(of.delivery.attempts.size());
    std::uint64_t bytes = 0;
    for (std::size_t i = out.size(); i-- > 0;) {
        if (!is_known(of, i))
            continue;
        bool const first = bytes == 0;
        bytes += bytes_signed(of, i);
        out[i].left_out = !first && bytes > bytes_max;
        if (!out[i].left_out)
            out[i].lines = lines_of(of, i, seals);
    }
    return out;
}

bool is_soon_written(store::delivery_details const& of) {
    constexpr std::uint64_t soon_bytes_max = std::uint64_t{256} << 10;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < of.delivery.attempts.size(); ++i)
        bytes += is_known(of, i) ? bytes_signed(of, i) : 0;
    return bytes <= soon_bytes_max;
}

std::vector<attempt_headers> leave_out_attempt_headers(store::delivery_details const& of) {
    std::vector<attempt_headers> out(of.delivery.attempts.size());
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i].left_out = is_known(of, i);
    return out;
}

} // namespace klen::webhooks::api
