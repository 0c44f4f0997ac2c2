#include "klen/webhooks/signing/sealer.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/signing/secret.hpp"
#include "klen/webhooks/signing/signer.hpp"

#include <algorithm>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace klen::webhooks::signing {

namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t overhead = 1 + nonce_bytes + tag_bytes;
constexpr std::uint8_t version = 1;
/// Far above any secret, and within the int that OpenSSL counts in.
constexpr std::size_t plain_bytes_max = 1 << 20;

struct context_deleter {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); } // clears the key schedule
};
using context_ptr = std::unique_ptr<EVP_CIPHER_CTX, context_deleter>;

EVP_CIPHER const* aes_256_gcm() {
    static EVP_CIPHER const* const found = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    if (found == nullptr)
        bug("OpenSSL has no AES-256-GCM");
    return found;
}

bool is_key_id(std::string_view text) {
    constexpr std::size_t characters_max = 64;
    return !text.empty() && text.size() <= characters_max && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}

/// Each part behind its length, so that no two places give the same bytes.
std::string associated_data(sealer::place const& where, std::string_view key_id) {
    std::string out;
    auto const put = [&out](std::string_view part) {
        for (int shift = 56; shift >= 0; shift -= 8)
            out += static_cast<char>(static_cast<std::uint64_t>(part.size()) >> shift & 0xff);
        out += part;
    };
    std::string_view const row(reinterpret_cast<char const*>(where.row.bytes.data()), where.row.bytes.size());
    out += static_cast<char>(version);
    put(where.table);
    put(row);
    put(where.account_id);
    put(key_id);
    return out;
}

int length_of(std::size_t bytes) { return static_cast<int>(bytes); }

} // namespace

result<sealer::master_key> sealer::master_key::parse(std::string_view base64, std::string_view id) {
    auto bytes = base64_decode(base64);
    if (!bytes || bytes->size() != key_bytes) {
        if (bytes)
            wipe(*bytes);
        return failure{fault::invalid_argument, "master key: must be base64 of 32 bytes"};
    }
    master_key out;
    out.bytes = std::move(*bytes);
    if (!is_key_id(id))
        return failure{fault::invalid_argument, "master key id: must be 1 to 64 characters of A-Z a-z 0-9 . _ -"};
    out.id = id;
    return out;
}

sealer::master_key::~master_key() { wipe(bytes); }

sealer::master_key& sealer::master_key::operator=(master_key&& other) noexcept {
    if (this != &other) {
        wipe(bytes);
        bytes = std::move(other.bytes);
        id = std::move(other.id);
    }
    return *this;
}

result<sealer> sealer::create(std::string_view master_key_text, std::string_view key_id) {
    auto key = master_key::parse(master_key_text, key_id);
    if (!key)
        return key.error();
    sealer out;
    out.newest_ = std::move(*key);
    return out;
}

result<void> sealer::add_previous(std::string_view master_key_text, std::string_view key_id) {
    auto key = master_key::parse(master_key_text, key_id);
    if (!key)
        return key.error();
    if (find(key_id) != nullptr)
        return failure{fault::conflict, "master key id: there is another key called " + key->id};
    previous_.push_back(std::move(*key));
    return {};
}

sealer::master_key const* sealer::find(std::string_view key_id) const {
    if (key_id == newest_.id)
        return &newest_;
    auto const found = std::ranges::find(previous_, key_id, &master_key::id);
    return found == previous_.end() ? nullptr : &*found;
}

std::string sealer::key_ids() const {
    std::string out = newest_.id;
    for (auto const& each : previous_)
        out += ", " + each.id;
    return out;
}

std::vector<sealer::key_check> sealer::key_checks() const {
    std::vector<key_check> out;
    auto const add = [&out](master_key const& key) {
        auto const value = hmac_sha256(key.bytes).sign({"klen-webhooks master key ", key.id});
        out.push_back({key.id, {value.begin(), value.end()}});
    };
    add(newest_);
    std::ranges::for_each(previous_, add);
    return out;
}

std::vector<std::uint8_t> sealer::seal(std::string_view plain, place const& where) const {
    if (plain.size() > plain_bytes_max)
        bug("a value too long to be a secret was to be sealed");
    std::vector<std::uint8_t> out(overhead + plain.size());
    out[0] = version;
    std::span const nonce = std::span(out).subspan(1, nonce_bytes);
    std::uint8_t* const cipher_text = out.data() + 1 + nonce_bytes;
    random_bytes(nonce);

    std::string const bound_to = associated_data(where, newest_.id);
    context_ptr const context(EVP_CIPHER_CTX_new());
    int written = 0;
    bool const ok =
        context != nullptr &&
        EVP_EncryptInit_ex2(context.get(), aes_256_gcm(), newest_.bytes.data(), nonce.data(), nullptr) == 1 &&
        EVP_EncryptUpdate(context.get(), nullptr, &written, as_bytes(bound_to).data(), length_of(bound_to.size())) ==
            1 &&
        EVP_EncryptUpdate(context.get(), cipher_text, &written, as_bytes(plain).data(), length_of(plain.size())) == 1 &&
        EVP_EncryptFinal_ex(context.get(), cipher_text + plain.size(), &written) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, length_of(tag_bytes), cipher_text + plain.size()) ==
            1;
    if (!ok)
        bug("a secret could not be sealed");
    return out;
}

result<std::string> sealer::open(std::vector<std::uint8_t> const& sealed, std::string_view key_id,
                                 place const& where) const {
    auto const* const key = find(key_id);
    if (key == nullptr) {
        std::string const other = is_key_id(key_id) ? "key " + std::string(key_id) : "an unknown key";
        return failure{fault::corrupt, "a sealed value needs " + other + "; the master keys here are: " + key_ids()};
    }
    failure const broken{fault::corrupt, "a sealed value does not open: another master key, another row, or changed"};
    if (sealed.size() < overhead || sealed.size() > overhead + plain_bytes_max || sealed[0] != version)
        return broken;
    std::uint8_t const* const nonce = sealed.data() + 1;
    std::uint8_t const* const cipher_text = nonce + nonce_bytes;
    std::size_t const length = sealed.size() - overhead;
    std::array<std::uint8_t, tag_bytes> tag{};
    std::copy_n(cipher_text + length, tag_bytes, tag.begin());

    std::string const bound_to = associated_data(where, key_id);
    std::string plain(length, '\0');
    auto* const plain_bytes = reinterpret_cast<unsigned char*>(plain.data());
    context_ptr const context(EVP_CIPHER_CTX_new());
    int written = 0;
    bool const ok = context != nullptr &&
                    EVP_DecryptInit_ex2(context.get(), aes_256_gcm(), key->bytes.data(), nonce, nullptr) == 1 &&
                    EVP_DecryptUpdate(context.get(), nullptr, &written, as_bytes(bound_to).data(),
                                      length_of(bound_to.size())) == 1 &&
                    EVP_DecryptUpdate(context.get(), plain_bytes, &written, cipher_text, length_of(length)) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, length_of(tag_bytes), tag.data()) == 1 &&
                    EVP_DecryptFinal_ex(context.get(), plain_bytes + length, &written) == 1;
    if (!ok) {
        wipe(plain); // decrypted before it was authenticated: nobody may see it
        return broken;
    }
    return plain;
}

std::string generate_master_key() {
    std::array<std::uint8_t, key_bytes> key{};
    random_bytes(key);
    std::string out = base64_encode(key);
    OPENSSL_cleanse(key.data(), key.size());
    return out;
}

} // namespace klen::webhooks::signing
