#include "e2e/planted.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <cctype>
#include <span>

namespace klen::webhooks::e2e {

namespace {

constexpr std::string_view beginning = "planted-";
/// Long enough to be nothing else by chance, short enough to be seen where a secret is cut off.
constexpr std::size_t piece_size = 12;
constexpr std::size_t told_max = 10;

std::span<std::uint8_t const> bytes_of(std::string_view text) {
    return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

std::string in_capitals(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return out;
}

/// How the common beginning looks in every form that it is looked for in.
std::vector<std::string> const& forms() {
    static auto const all = [] {
        auto const hex = hex_encode(bytes_of(beginning));
        std::vector<std::string> out{std::string(beginning), in_capitals(beginning), hex, in_capitals(hex)};
        // In base64 of a longer text it may start at each of three places; what its neighbours change is left out.
        for (std::size_t before = 0; before < 3; ++before) {
            auto const coded = base64_encode(bytes_of(std::string(before, 'x').append(beginning)));
            std::size_t const from = (before * 8 + 5) / 6;
            out.push_back(coded.substr(from, (before + beginning.size()) * 8 / 6 - from));
        }
        return out;
    }();
    return all;
}

std::string around(std::string_view text, std::size_t at) {
    constexpr std::size_t before = 80;
    constexpr std::size_t in_all = 200;
    return std::string(text.substr(at - std::min(at, before), in_all));
}

} // namespace

std::string planted::mark(std::string const& kind) {
    constexpr std::size_t size = 32;
    ++by_kind_[kind];
    std::string out = std::string(beginning) + std::to_string(count()) + "-";
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
    while (out.size() < size)
        out += digits[random_() % digits.size()];
    return out;
}

std::string planted::mark_in_base64(std::string const& kind) { return base64_encode(bytes_of(mark(kind))); }

void planted::remember(std::string const& kind, std::string_view secret) {
    ++by_kind_[kind];
    // The first characters of an API key are its hint, which is no secret.
    constexpr std::string_view key_prefix = "klen_";
    constexpr std::size_t hint_size = 16;
    constexpr std::string_view secret_prefix = "whsec_";
    if (secret.starts_with(key_prefix))
        secret.remove_prefix(hint_size);
    if (secret.starts_with(secret_prefix))
        secret.remove_prefix(secret_prefix.size());
    remembered_.emplace(secret.substr(0, piece_size));
    remembered_.insert(hex_encode(bytes_of(secret)).substr(0, piece_size));
    if (auto const bytes = base64_decode(secret)) {
        remembered_.insert(hex_encode(*bytes).substr(0, piece_size));
        remembered_.insert(in_capitals(hex_encode(*bytes)).substr(0, piece_size));
    }
}

std::size_t planted::count() const {
    std::size_t out = 0;
    for (auto const& [kind, n] : by_kind_)
        out += n;
    return out;
}

std::vector<std::string> planted::found_in(std::string_view text) const {
    std::vector<std::string> out;
    for (auto const& form : forms())
        for (auto at = text.find(form); at != std::string_view::npos && out.size() < told_max;
             at = text.find(form, at + 1))
            out.push_back(around(text, at));
    for (std::size_t at = 0; at + piece_size <= text.size() && out.size() < told_max; ++at)
        if (remembered_.contains(text.substr(at, piece_size)))
            out.push_back(around(text, at));
    return out;
}

} // namespace klen::webhooks::e2e
