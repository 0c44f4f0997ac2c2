#include "dispatch/budget.hpp"

#include <algorithm>

namespace klen::webhooks::dispatch {

std::uint64_t budget::room(std::uint64_t deliveries_limit, std::uint64_t bytes_limit) const {
    auto const reserved = reserved_.load();
    auto const deliveries = deliveries_.load() + reserved;
    auto const usual = std::max<std::uint64_t>(usual_bytes_.load(), 1);
    auto const bytes = bytes_.load() + reserved * usual;
    if (deliveries >= deliveries_limit || bytes >= bytes_limit)
        return 0;
    return std::min(deliveries_limit - deliveries, (bytes_limit - bytes + usual - 1) / usual);
}

std::uint32_t budget::claim_room(std::uint32_t wanted) const {
    auto const deliveries_limit = std::max<std::uint64_t>(deliveries_max_ - deliveries_max_ / 4, 1);
    auto const bytes_limit = bytes_max_ - bytes_max_ / 4;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(room(deliveries_limit, bytes_limit), wanted));
}

bool budget::scarce() const { return deliveries_.load() > deliveries_max_ / 2 || bytes_.load() > bytes_max_ / 2; }

std::uint32_t budget::grant_room() const {
    auto const quarter = std::max<std::uint64_t>(deliveries_max_ / 4, 1);
    return static_cast<std::uint32_t>(std::min(room(deliveries_max_, bytes_max_), quarter));
}

budget::charge budget::take(std::uint64_t bytes) {
    deliveries_.fetch_add(1);
    bytes_.fetch_add(bytes);
    // Racing updates may lose one sample; it is an estimate.
    usual_bytes_.store((usual_bytes_.load() * 15 + bytes) / 16);
    return {shared_from_this(), bytes};
}

void budget::charge::release_bytes() {
    if (of_)
        of_->bytes_.fetch_sub(std::exchange(bytes_, 0));
}

void budget::charge::give_back() {
    release_bytes();
    if (auto of = std::exchange(of_, nullptr))
        of->deliveries_.fetch_sub(1);
}

outcome_slots::slot outcome_slots::try_take() {
    auto used = used_.load();
    while (used < max_)
        if (used_.compare_exchange_weak(used, used + 1))
            return slot(shared_from_this());
    return {};
}

} // namespace klen::webhooks::dispatch
