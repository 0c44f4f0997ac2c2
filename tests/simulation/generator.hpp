#pragma once

#include <bit>
#include <cstdint>

namespace klen::webhooks::simulation {

/// Everything that is left to chance in a simulation comes from one of these: xoshiro256**, filled by splitmix64. The
/// standard's distributions differ from library to library; these do not.
class generator {
  public:
    explicit generator(std::uint64_t seed) {
        for (auto& word : state_) {
            seed += 0x9E3779B97F4A7C15ULL;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
            word = z ^ (z >> 31);
        }
    }

    std::uint64_t next() {
        auto const out = std::rotl(state_[1] * 5, 7) * 9;
        auto const t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return out;
    }
    /// In [0, n); n > 0.
    std::uint64_t below(std::uint64_t n) { return next() % n; }
    /// In [from, to].
    int between(int from, int to) { return from + static_cast<int>(below(static_cast<std::uint64_t>(to - from) + 1)); }
    template <class Duration>
    Duration between(Duration from, Duration to) {
        return from + Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>((to - from).count()) + 1)));
    }
    double real() { return static_cast<double>(next() >> 11) * 0x1p-53; }
    bool chance(double p) { return p > 0 && real() < p; }

  private:
    std::uint64_t state_[4]{};
};

} // namespace klen::webhooks::simulation
