#pragma once

#include "klen/webhooks/base/ids.hpp"

#include <bit>
#include <cstdint>

namespace klen::webhooks::simulation {

/// Ids ascend and tell their place in the order: traces name things by it.
inline uuid numbered_id(std::uint64_t number, std::uint64_t random) {
    uuid out;
    for (std::size_t i = 0; i < 8; ++i) {
        out.bytes[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
        out.bytes[8 + i] = static_cast<std::uint8_t>(random >> (56 - 8 * i));
    }
    return out;
}

inline std::uint64_t number_of(uuid const& id) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < 8; ++i)
        out = (out << 8) | id.bytes[i];
    return out;
}

} // namespace klen::webhooks::simulation
