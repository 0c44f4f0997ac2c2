#pragma once

#include "klen/webhooks/event/json_body.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace klen::webhooks::event {

/// Reads JSON once, from front to back, and writes the canonical form as it goes. No recursion: open arrays and objects
/// are on a stack of its own, so the depth costs memory from a vector and is bounded by the limit.
///
/// A function that returns false has failed: `error()` then says why, and nothing else may be called.
class json_reader {
  public:
    json_reader(std::string_view text, json_limits limits) : text_(text), depth_max_(limits.depth_max) {}

    /// Refuses a byte order mark. To be called first.
    bool begin();
    /// Only white space may be left.
    bool end();

    /// One whole value of any kind, appended to `out`.
    bool value(std::string& out);
    /// One string, appended to `out` with its quotes. The next character must be a quote.
    bool string(std::string& out);

    void skip_space();
    bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
    /// Steps over `c` if it is next.
    bool take(char c);

    /// What values read from now on are called in an error's path: a member of the request.
    void set_root(std::string name) { root_ = std::move(name); }
    std::size_t position() const { return at_; }

    /// The first member at the top level of the last value read that `make_body` writes itself; empty: none.
    std::string_view reserved_member() const { return reserved_member_; }

    bool fail(std::string what) { return fail_at(at_, std::move(what)); }
    bool fail_at(std::size_t offset, std::string what);
    /// Says what is there instead of what was expected.
    bool fail_unexpected(std::string_view expected);
    json_error const& error() const { return *error_; }

  private:
    struct frame {
        bool object;
        bool in_member;         ///< object: a key was read, its value is being read
        std::size_t keys_begin; ///< where its keys start in keys_
        std::size_t index;      ///< array: which element is being read
    };
    struct key {
        std::size_t written; ///< where it is in out_, after its quote
        std::size_t length;
        std::size_t offset; ///< where it is in text_
    };
    enum class step { next_value, value_done, failed };

    bool scalar(char first);
    step open(char bracket);
    step after_value();
    step close();
    bool member_key();
    bool keys_differ(std::size_t begin);
    bool literal(std::string_view word);
    bool number();
    bool digits(std::string_view where);
    void skip_plain();
    bool escape();
    bool unicode_escape();
    std::optional<unsigned> hex4(std::size_t from) const;
    std::string_view written(key const& k) const { return std::string_view(*out_).substr(k.written, k.length); }
    std::string path() const;

    std::string_view text_;
    std::size_t depth_max_;
    std::size_t at_ = 0;
    std::string* out_ = nullptr;
    std::vector<frame> frames_;
    std::vector<key> keys_; ///< of all open objects, outermost first
    std::string root_;
    std::string_view reserved_member_;
    std::optional<json_error> error_;
};

/// `offset` in `text` as line and column.
json_error error_at(std::string_view text, std::size_t offset, std::string path, std::string what);

/// A key for people: cut to a length fit for a message, at a character's border. Escapes stay as they are.
std::string cut_key(std::string_view escaped);

/// Appends the escape that JSON.stringify writes for `c`: a control character, a quote or a backslash.
void append_escape(std::string& out, char c);

/// The string that `quoted` (canonical, with its quotes) denotes.
std::string unescape(std::string_view quoted);

/// Appends what `canonical_number` gives.
void append_number(std::string& out, std::string_view text);

} // namespace klen::webhooks::event
