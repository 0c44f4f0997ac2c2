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
    void add(std::string_view field, std::string_view what);
    bool empty() const { return text_.empty(); }
    std::string const& text() const { return text_; } ///< joined by "; "

  private:
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

struct text_rule {
    std::size_t characters_min = 0;
    std::size_t characters_max = 0;
    bool may_have_lines = false; ///< line feeds and tabs are fine; other control characters never are
};
/// What is wrong with `text`; empty: nothing. `text` is well-formed UTF-8.
std::string judge_text(std::string_view text, text_rule rule);

/// Reads the members of an object by name. Null counts as not given.
class object_reader {
  public:
    object_reader(boost::json::object const& from, problem_list& problems) : from_(from), problems_(problems) {}

    /// Notes that the member may exist; null when it is not given.
    boost::json::value const* find(std::string_view name);
    /// The same, but it must be given.
    boost::json::value const* require(std::string_view name);

    std::optional<std::string> text(std::string_view name, text_rule rule);
    std::optional<std::string> required_text(std::string_view name, text_rule rule);
    std::optional<bool> boolean(std::string_view name);
    std::optional<int> integer(std::string_view name, int min, int max);
    boost::json::object const* object(std::string_view name);

    /// Members that nobody asked for are problems, with a suggestion where one is near. Call last.
    void refuse_others();

  private:
    std::optional<std::string> text_of(std::string_view name, boost::json::value const* found, text_rule rule);

    boost::json::object const& from_;
    problem_list& problems_;
    std::vector<std::string> known_;
};

/// The one of `known` that `text` was probably meant to be.
std::optional<std::string> nearest(std::string_view text, std::vector<std::string> const& known);

/// Does any string or key below `value` hold U+0000? (PostgreSQL's text cannot.)
bool holds_nul(boost::json::value const& value);

} // namespace klen::webhooks::api
