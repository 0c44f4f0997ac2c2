#pragma once

#include "klen/webhooks/base/config.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What a setting is. The table of all of them: settings_declared.cpp.
namespace klen::webhooks::settings {

using numbers = std::vector<std::int64_t>;
using texts = std::vector<std::string>;
/// What one setting can hold, as TOML knows it.
using value = std::variant<bool, std::int64_t, std::string, numbers, texts>;

/// What a number counts. It is part of the key's name where it is a unit (`_ms`, `_seconds`, `_minutes`, `_hours`,
/// `_percent`).
enum class unit { none, port, milliseconds, seconds, minutes, hours, bytes, percent, count };
std::string_view to_string(unit what);

/// Says what is wrong with a text, or nothing when it is right. Never repeats a secret.
using text_check = std::function<std::optional<std::string>(std::string const& text)>;

struct setting {
    std::string section;
    std::string name;
    value initial;            ///< the default; its alternative is the setting's type
    unit counts = unit::none; ///< of a number or of each number of a list
    std::int64_t min = 0;     ///< of a number or of each number of a list
    std::int64_t max = 0;
    std::int64_t multiple_of = 1;
    std::size_t items_max = 0;       ///< of a list
    std::vector<std::string> one_of; ///< of a text; empty: any that `check` takes
    std::string form;                ///< what `check` wants, in words: "an IPv4 or IPv6 address"
    text_check check;                ///< of a text, or of each text of a list; may be empty
    bool secret = false;
    std::string description;
    std::function<void(config&, value const&)> store;

    std::string key() const { return section + "." + name; }
    /// "KLEN_WEBHOOKS_SERVER_LISTEN_PORT"
    std::string variable() const;
    bool is_list() const { return std::holds_alternative<numbers>(initial) || std::holds_alternative<texts>(initial); }
    /// "milliseconds", "list of text", "boolean"
    std::string type() const;
    /// "1 to 65535", "one of: text, json"; empty when there is nothing to say.
    std::string allowed() const;
    /// "a whole number (port) from 1 to 65535": what a number, or each number of a list, must be.
    std::string whole_number() const;
    /// What is wrong with `given`, which has this setting's type, or that of one entry of it; empty when nothing is.
    std::string refuse(value const& given) const;
};

struct section {
    std::string name;
    std::string description;
    std::vector<setting> members;
};

/// All of them, in the order of the default file.
std::vector<section> const& declared();
setting const* find(std::string_view key);

std::string to_toml(value const& v);

/// What is wrong with the entries of a list, as one sentence.
class entry_problems {
  public:
    /// `why`: empty when nothing is wrong with it. `index` from 0.
    void add(std::size_t index, std::string const& why);
    std::string text() const;

  private:
    std::string text_;
    std::size_t count_ = 0;
    std::size_t shown_ = 0;
};

/// For messages: control characters escaped, cut at 80 bytes, in quotes.
std::string quoted(std::string_view text);

} // namespace klen::webhooks::settings
