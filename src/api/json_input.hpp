#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Reading the JSON bodies of the management calls. Every problem is named with the path of its field, and all of them
/// are told at once. Pure.
namespace klen::webhooks::api {

class problem_list {
  public:
    /// Nothing more is noted when it is full: a hostile body could have a problem every few bytes.
    void add(std::string_view field, std::string_view what);
    bool empty() const { return text_.empty(); }
    bool full() const { return text_.size() > bytes_max; }
    std::string const& text() const { return text_; } ///< joined by "; "

  private:
    static constexpr std::size_t bytes_max = 8192;
    std::string text_;
};

struct parsed_object {
    boost::json::object members;
    std::string canonical; ///< the whole text, numbers as they were given

    /// The JSON text of one member; empty when there is none.
    std::string_view raw_member(std::string_view name) const;
};

/// One JSON object: well-formed, without duplicate keys, at most 32 deep. Otherwise the message says what is wrong and
/// where.
std::variant<parsed_object, std::string> parse_json_object(std::string_view text);

/// The same where the body may be left out, which then means {}.
std::variant<parsed_object, std::string> parse_optional_object(std::string_view text);

struct text_rule {
    std::size_t characters_min = 0;
    std::size_t characters_max = 0;
    bool may_have_lines = false; ///< line feeds and tabs are fine; other control characters never are
};
/// What is wrong with `text`; empty: nothing. `text` is well-formed UTF-8.
std::string judge_text(std::string_view text, text_rule rule);

/// What null says where another type is expected.
enum class null_means {
    not_given,
    wrong_type ///< where what is not given stays as it is, null is no way to say so
};

/// Reads the members of an object by name.
class object_reader {
  public:
    object_reader(boost::json::object const& from, problem_list& problems, null_means null = null_means::not_given)
        : from_(from), problems_(problems), null_(null) {}

    /// Notes that the member may exist; null when it is not given.
    boost::json::value const* find(std::string_view name);
    /// The same, but it must be given.
    boost::json::value const* require(std::string_view name);

    std::optional<std::string> text(std::string_view name, text_rule rule);
    std::optional<std::string> required_text(std::string_view name, text_rule rule);
    std::optional<bool> boolean(std::string_view name);
    std::optional<int> integer(std::string_view name, int min, int max);
    /// Null is a value here, the inner nothing.
    std::optional<std::optional<int>> integer_or_null(std::string_view name, int min, int max);
    /// Not necessarily whole.
    std::optional<double> number(std::string_view name, double min, double max);
    boost::json::object const* object(std::string_view name);

    /// A member that nobody may give here; it is not offered for another's name.
    void refuse(std::string_view name, std::string_view why);

    /// Members that nobody asked for are problems, with a suggestion where one is near. Call last.
    void refuse_others();

  private:
    std::optional<std::string> text_of(std::string_view name, boost::json::value const* found, text_rule rule);

    boost::json::object const& from_;
    problem_list& problems_;
    null_means null_;
    std::vector<std::string> known_;
    std::vector<std::string> refused_;
};

/// A name as it may stand in a message: it came from outside. Cut when it is long.
std::string shown(std::string_view name);

/// The one of `known` that `text` was probably meant to be.
std::optional<std::string> nearest(std::string_view text, std::vector<std::string> const& known);

/// Does any string or key below `value` hold U+0000? (PostgreSQL's text cannot.)
bool holds_nul(boost::json::value const& value);

} // namespace klen::webhooks::api
