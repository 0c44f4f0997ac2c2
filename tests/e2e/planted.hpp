#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace klen::webhooks::e2e {

/// Secrets that were put somewhere, and the search for them where they must not be.
///
/// Those that a test makes up begin alike, and so are found by one pass for that beginning: as it is, in base64
/// wherever it starts, in hex, in capitals. Those that the service made are remembered one by one.
class planted {
  public:
    /// A new one: 32 characters [a-z0-9-], of no other test or place. `kind` is where it goes, for the count.
    std::string mark(std::string const& kind);
    /// A new one as the base64 of its 32 bytes: a master key, or the rest of a webhook's secret.
    std::string mark_in_base64(std::string const& kind);
    /// One that the service made, and the bytes in it where it is base64.
    void remember(std::string const& kind, std::string_view secret);

    std::size_t count() const;
    std::map<std::string, std::size_t> const& by_kind() const { return by_kind_; }

    /// What shows in `text`, each with what is around it; the first few.
    std::vector<std::string> found_in(std::string_view text) const;

  private:
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };

    std::mt19937_64 random_;
    std::map<std::string, std::size_t> by_kind_;
    std::unordered_set<std::string, hash, std::equal_to<>> remembered_; ///< a piece of each, all of one length
};

} // namespace klen::webhooks::e2e
