#pragma once

#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::signing {

/// Seals secrets at rest: AES-256-GCM (NIST SP 800-38D), a random 96-bit nonce each time, and as associated data the
/// table, row, account and key id, so that a sealed value cannot be moved to another row. Thread-safe.
class sealer {
  public:
    /// `master_key`: base64 of 32 bytes. `key_id`: 1 to 64 characters of [A-Za-z0-9._-], stored beside what it sealed.
    static result<sealer> create(std::string_view master_key, std::string_view key_id);
    /// A key that opens what it sealed before, and seals nothing. `conflict`: its id is taken.
    result<void> add_previous(std::string_view master_key, std::string_view key_id);

    /// Which row a sealed value belongs to.
    struct place {
        std::string_view table;
        uuid row;
        std::string_view account_id;
    };

    /// version byte, nonce (12), ciphertext, tag (16).
    std::vector<std::uint8_t> seal(std::string_view plain, place const& where) const;
    /// `corrupt` when the value was not sealed with one of the keys for this place, or was changed.
    result<std::string> open(std::vector<std::uint8_t> const& sealed, std::string_view key_id,
                             place const& where) const;

    std::string const& key_id() const { return newest_.id; }

    /// What tells a key from others that bear its id: an HMAC under it, the same each time.
    struct key_check {
        std::string key_id;
        std::vector<std::uint8_t> value;
    };
    /// Of each key, the one that seals first.
    std::vector<key_check> key_checks() const;

  private:
    /// Wiped when destroyed. Moved only: a copy would be one more place to wipe.
    struct master_key {
        std::vector<std::uint8_t> bytes;
        std::string id;

        static result<master_key> parse(std::string_view base64, std::string_view id);
        master_key() = default;
        ~master_key();
        master_key(master_key&& other) noexcept = default;
        master_key& operator=(master_key&& other) noexcept;
    };

    sealer() = default;
    master_key const* find(std::string_view key_id) const;
    std::string key_ids() const;

    master_key newest_;
    std::vector<master_key> previous_;
};

/// base64 of 32 random bytes, for a master key file.
std::string generate_master_key();

} // namespace klen::webhooks::signing
