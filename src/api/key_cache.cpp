#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <openssl/crypto.h>
#include <shared_mutex>
#include <unordered_map>

namespace klen::webhooks::api {

namespace {

using key_hash = std::array<std::uint8_t, 32>;
using std::chrono::nanoseconds;

constexpr nanoseconds one_second = seconds(1);

std::uint64_t first_bytes(key_hash const& hash) {
    std::uint64_t out = 0;
    std::memcpy(&out, hash.data(), sizeof out);
    return out;
}

/// Looks at every byte, wherever the first difference is.
bool equal_in_constant_time(key_hash const& a, key_hash const& b) {
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// A token bucket in one number: the time at which it will be full again. Each call moves that by the time of one call;
/// when it would come to lie more than a second ahead, the bucket is empty.
class call_bucket {
  public:
    /// How long to wait until a call is allowed; zero: it is, and was counted.
    nanoseconds take(std::uint32_t per_second, steady_time now) {
        std::int64_t const at = nanoseconds(now.time_since_epoch()).count();
        std::int64_t const one = one_second.count() / per_second;
        std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
        while (true) {
            std::int64_t const next = std::max(full_at, at) + one;
            if (next - at > one_second.count())
                return nanoseconds(next - at) - one_second;
            if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed))
                return nanoseconds(0);
        }
    }
    /// A call that was counted is not made after all.
    void give_back(std::uint32_t per_second) {
        full_at_.fetch_sub(one_second.count() / per_second, std::memory_order_relaxed);
    }

  private:
    std::atomic<std::int64_t> full_at_{0};
};

/// When a key was last used and nobody has taken note of it yet; to the second, which spares most calls the write.
class last_use {
  public:
    /// True: the first use since the last `take`.
    bool note(wall_time now) {
        auto const second = std::chrono::floor<seconds>(now).time_since_epoch().count();
        return at_.load(std::memory_order_relaxed) != second &&
               at_.exchange(second, std::memory_order_relaxed) == never;
    }
    std::optional<wall_time> take() {
        if (auto const second = at_.exchange(never, std::memory_order_relaxed); second != never)
            return wall_time(seconds(second));
        return std::nullopt;
    }

  private:
    static constexpr std::int64_t never = 0;
    std::atomic<std::int64_t> at_{never};
};

} // namespace

/// Found by the first bytes of the hash, decided by all of it. Whoever guesses keys does not know what they hash to in
/// advance of their guess, so the table itself tells them nothing.
struct key_cache::impl {
    /// What is changed by calls, under the shared lock.
    struct activity {
        call_bucket calls;
        last_use used;
    };
    struct entry {
        api_key_id id;
        key_hash hash{};
        caller who;
        std::uint32_t per_second = 0; ///< 0: any number
        std::unique_ptr<activity> counts = std::make_unique<activity>();
        call_bucket* account_calls = nullptr; ///< none: the account has no limit, or it is a platform key
        std::uint32_t account_per_second = 0; ///< by this key
        bool revoked = false;                 ///< for good: an older row that comes late does not bring it back
    };
    struct revocation {
        steady_time at;
        api_key_id id;
    };

    impl(key_limits l, clock const& t, milliseconds kept) : limits(l), time(t), revoked_kept(kept) {}

    key_limits const limits;
    clock const& time;
    milliseconds const revoked_kept;
    mutable std::shared_mutex mutex;
    std::unordered_map<api_key_id, entry> keys;
    std::unordered_multimap<std::uint64_t, entry const*> by_hash; ///< those that are not revoked
    std::unordered_map<std::string, call_bucket> accounts;        ///< changed by calls as well
    std::deque<revocation> revoked;                               ///< the oldest first
    std::mutex used_mutex;
    std::vector<api_key_id> used; ///< since the last `take_uses`

    std::uint32_t limit_of(store::api_key_row const& row) const {
        if (row.max_requests_per_second && *row.max_requests_per_second > 0)
            return static_cast<std::uint32_t>(*row.max_requests_per_second);
        return row.account_id ? limits.account_key : limits.platform_key;
    }

    void count_for_account(entry& known, store::api_key_row const& row) {
        if (!row.account_id || limits.account == 0)
            return;
        known.account_calls = &accounts[*row.account_id];
        // What a key was given by hand counts, not what is every key's: else two settings would contradict each other.
        auto const own = static_cast<std::uint32_t>(std::max(row.max_requests_per_second.value_or(0), 0));
        known.account_per_second = std::max(limits.account, own);
    }

    void hide(entry const& known) {
        auto const [first, last] = by_hash.equal_range(first_bytes(known.hash));
        for (auto it = first; it != last; ++it)
            if (it->second == &known) {
                by_hash.erase(it);
                return;
            }
    }

    void apply(store::api_key_row const& row) {
        auto const [at, is_new] = keys.try_emplace(row.id);
        auto& known = at->second;
        if (known.revoked)
            return;
        if (!is_new)
            hide(known);
        known.id = row.id;
        known.hash = row.hash;
        known.who = {.key_id = row.id.text(), .account_id = row.account_id, .permissions = row.permissions};
        known.per_second = limit_of(row);
        count_for_account(known, row);
        known.revoked = row.revoked;
        if (known.revoked)
            revoked.push_back({time.steady(), row.id});
        else
            by_hash.emplace(first_bytes(known.hash), &known);
    }

    /// Making and revoking keys is free, so what is revoked may not stay.
    void drop_revoked() {
        auto const now = time.steady();
        while (!revoked.empty() && now - revoked.front().at >= revoked_kept) {
            keys.erase(revoked.front().id);
            revoked.pop_front();
        }
    }

    void note_use(entry const& known) {
        if (!known.counts->used.note(time.wall()))
            return;
        std::lock_guard lock(used_mutex);
        used.push_back(known.id);
    }

    /// Counts a call, or says in `who` how long to wait for one.
    void count(entry const& known, caller& who) const {
        auto const now = time.steady();
        if (known.per_second != 0)
            who.retry_after = std::chrono::ceil<milliseconds>(known.counts->calls.take(known.per_second, now));
        if (who.retry_after > milliseconds(0) || known.account_calls == nullptr)
            return;
        who.retry_after = std::chrono::ceil<milliseconds>(known.account_calls->take(known.account_per_second, now));
        who.account_is_over = who.retry_after > milliseconds(0);
        if (who.account_is_over && known.per_second != 0)
            known.counts->calls.give_back(known.per_second);
    }

    entry const* find(key_hash const& hash) const {
        auto const [first, last] = by_hash.equal_range(first_bytes(hash));
        for (auto it = first; it != last; ++it)
            if (equal_in_constant_time(it->second->hash, hash))
                return it->second;
        return nullptr;
    }
};

key_cache::key_cache(key_limits limits, clock const& time, milliseconds revoked_kept)
    : impl_(std::make_unique<impl>(limits, time, revoked_kept)) {}
key_cache::~key_cache() = default;

void key_cache::apply(std::vector<store::api_key_row> const& changed) {
    std::unique_lock lock(impl_->mutex);
    impl_->drop_revoked();
    for (auto const& row : changed)
        impl_->apply(row);
}

std::size_t key_cache::size() const {
    std::shared_lock lock(impl_->mutex);
    return impl_->keys.size();
}

std::optional<caller> key_cache::find(std::string_view key) const {
    auto const hash = signing::hash_api_key(key);
    if (!hash)
        return std::nullopt;
    std::shared_lock lock(impl_->mutex);
    auto const* known = impl_->find(*hash);
    if (known == nullptr)
        return std::nullopt;
    impl_->note_use(*known);
    caller who = known->who;
    impl_->count(*known, who);
    return who;
}

std::vector<std::pair<api_key_id, wall_time>> key_cache::take_uses() {
    std::vector<std::pair<api_key_id, wall_time>> out;
    std::shared_lock lock(impl_->mutex);
    std::vector<api_key_id> used;
    {
        std::lock_guard list(impl_->used_mutex);
        used.swap(impl_->used);
    }
    for (auto const& id : used)
        if (auto const known = impl_->keys.find(id); known != impl_->keys.end())
            if (auto const at = known->second.counts->used.take())
                out.emplace_back(id, *at);
    return out;
}

} // namespace klen::webhooks::api
