#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace klen::webhooks::api {

namespace {

using key_hash = std::array<std::uint8_t, 32>;

std::uint64_t first_bytes(key_hash const& hash) {
    std::uint64_t out = 0;
    std::memcpy(&out, hash.data(), sizeof out);
    return out;
}

/// Looks at every byte, wherever the first difference is.
bool equal_in_constant_time(key_hash const& a, key_hash const& b) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference |= static_cast<unsigned>(a[i] ^ b[i]);
    return difference == 0;
}

} // namespace

/// Found by the first bytes of the hash, decided by all of it. Whoever guesses keys does not know what they hash to in
/// advance of their guess, so the table itself tells them nothing.
struct key_cache::impl {
    struct entry {
        key_hash hash{};
        caller who;
    };
    mutable std::shared_mutex mutex;
    std::unordered_multimap<std::uint64_t, entry> keys;

    void forget(std::string const& key_id) {
        std::erase_if(keys, [&](auto const& item) { return item.second.who.key_id == key_id; });
    }
};

key_cache::key_cache() : impl_(std::make_unique<impl>()) {}
key_cache::~key_cache() = default;

void key_cache::apply(std::vector<store::api_key_row> const& changed) {
    std::unique_lock lock(impl_->mutex);
    for (auto const& row : changed) {
        caller who{row.id.text(), row.account_id, row.permissions};
        impl_->forget(who.key_id);
        if (!row.revoked)
            impl_->keys.emplace(first_bytes(row.hash), impl::entry{row.hash, std::move(who)});
    }
}

std::optional<caller> key_cache::find(std::string_view key) const {
    auto const hash = signing::hash_api_key(key);
    if (!hash)
        return std::nullopt;
    std::shared_lock lock(impl_->mutex);
    auto const [first, last] = impl_->keys.equal_range(first_bytes(*hash));
    for (auto it = first; it != last; ++it)
        if (equal_in_constant_time(it->second.hash, *hash))
            return it->second.who;
    return std::nullopt;
}

} // namespace klen::webhooks::api
