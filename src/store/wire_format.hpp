#pragma once

#include "klen/webhooks/base/ids.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// PostgreSQL's binary formats. Every parameter of a statement travels in its type's binary format: a batch as arrays
/// costs half of what text arrays cost, and nothing has to be escaped.
namespace klen::webhooks::store {

/// Text that PostgreSQL's `text` can hold: U+FFFD in place of NUL and of bytes that are not UTF-8. For text that came
/// from outside and must not fail a batch.
std::string storable_text(std::string_view text);

/// Types by their number in pg_type, which PostgreSQL keeps for ever.
enum class pg_type : std::uint32_t {
    boolean = 16,
    bytes = 17,
    int8 = 20,
    int2 = 21,
    int4 = 23,
    text = 25,
    row_place = 27, ///< `tid`
    uuid = 2950
};

/// Where a version of a row lies in its table (`ctid`). Good only while the transaction that read it holds the row's
/// lock: it saves the walk down the primary key's index.
struct row_place {
    std::uint32_t block = 0;
    std::uint16_t item = 0;

    /// From PostgreSQL's text, `(block,item)`; nothing: it is not that.
    static std::optional<row_place> parse(std::string_view text);
};

/// One array parameter. Elements are appended in order; each kind of array takes the `add` of its own type.
class binary_array {
  public:
    explicit binary_array(pg_type element) : element_(element) {}

    void reserve(std::size_t elements, std::size_t bytes_each) { body_.reserve(elements * (4 + bytes_each)); }
    void add(uuid const& id);
    template <class Tag>
    void add(strong_uuid<Tag> const& id) {
        add(id.value);
    }
    void add(std::string_view text_or_bytes);
    void add(std::span<std::uint8_t const> bytes);
    void add(bool value);
    void add(row_place where);
    void add_int2(std::int16_t value);
    void add_int4(std::int32_t value);
    void add_int8(std::int64_t value);
    void add_null();

    std::size_t size() const { return count_; }
    /// The whole array on the wire.
    std::string encoded() const;

  private:
    void add_length(std::size_t bytes);

    pg_type element_;
    std::string body_;
    std::uint32_t count_ = 0;
    bool has_null_ = false;
};

template <class Tag>
binary_array uuid_array(std::vector<strong_uuid<Tag>> const& ids) {
    binary_array out(pg_type::uuid);
    out.reserve(ids.size(), 16);
    for (auto const& id : ids)
        out.add(id);
    return out;
}
binary_array text_array(std::vector<std::string> const& texts);

/// The parameters $1, $2, … of a statement. None is ever null (libpqxx 6 cannot mix nulls with a number of parameters
/// known at run time): a nullable value is an array of one element.
class parameters {
  public:
    parameters& uuid_value(uuid const& id);
    template <class Tag>
    parameters& id(strong_uuid<Tag> const& value) {
        return uuid_value(value.value);
    }
    parameters& int4(std::int32_t value);
    parameters& int8(std::int64_t value);
    parameters& boolean(bool value);
    parameters& text(std::string_view value);
    parameters& bytes(std::span<std::uint8_t const> value);
    parameters& array(binary_array const& value);

    std::vector<std::string> const& values() const { return values_; }

  private:
    std::vector<std::string> values_;
};

/// A text[] as PostgreSQL writes it in text format: `{a,"b c",NULL}`. One dimension; nulls become empty.
std::vector<std::string> parse_text_array(std::string_view text);

} // namespace klen::webhooks::store
