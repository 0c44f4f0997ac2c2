#include "wire_format.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <charconv>

namespace klen::webhooks::store {

namespace {

template <class U>
void put(std::string& out, U value) {
    for (int shift = static_cast<int>(sizeof(U)) * 8 - 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>((value >> shift) & 0xff));
}

std::string_view view_of(uuid const& id) { return {reinterpret_cast<char const*>(id.bytes.data()), id.bytes.size()}; }

std::string_view view_of(std::span<std::uint8_t const> bytes) {
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// Length of the well-formed character at the start of `text`; 0: none.
std::size_t character_length(std::string_view text) {
    auto const lead = static_cast<unsigned char>(text.front());
    std::size_t const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length > text.size() || text.front() == '\0' || !is_utf8(text.substr(0, length)))
        return 0;
    return length;
}

} // namespace

std::string storable_text(std::string_view text) {
    if (text.find('\0') == std::string_view::npos && is_utf8(text))
        return std::string(text);
    std::string out;
    out.reserve(text.size() + 8);
    while (!text.empty()) {
        auto const length = character_length(text);
        if (length == 0)
            out += "\xef\xbf\xbd";
        else
            out += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

std::optional<row_place> row_place::parse(std::string_view text) {
    row_place out;
    auto const* const end = text.data() + text.size();
    if (!text.starts_with('('))
        return std::nullopt;
    auto const block = std::from_chars(text.data() + 1, end, out.block);
    if (block.ec != std::errc{} || block.ptr == end || *block.ptr != ',')
        return std::nullopt;
    auto const item = std::from_chars(block.ptr + 1, end, out.item);
    if (item.ec != std::errc{} || std::string_view(item.ptr, end) != ")")
        return std::nullopt;
    return out;
}

void binary_array::add_length(std::size_t bytes) {
    put(body_, static_cast<std::uint32_t>(bytes));
    ++count_;
}

void binary_array::add(uuid const& id) { add(view_of(id)); }

void binary_array::add(std::string_view text_or_bytes) {
    add_length(text_or_bytes.size());
    body_ += text_or_bytes;
}

void binary_array::add(std::span<std::uint8_t const> bytes) { add(view_of(bytes)); }

void binary_array::add(bool value) {
    add_length(1);
    body_.push_back(value ? '\1' : '\0');
}

void binary_array::add(row_place where) {
    add_length(6);
    put(body_, where.block);
    put(body_, where.item);
}

void binary_array::add_int2(std::int16_t value) {
    add_length(2);
    put(body_, static_cast<std::uint16_t>(value));
}

void binary_array::add_int4(std::int32_t value) {
    add_length(4);
    put(body_, static_cast<std::uint32_t>(value));
}

void binary_array::add_int8(std::int64_t value) {
    add_length(8);
    put(body_, static_cast<std::uint64_t>(value));
}

void binary_array::add_null() {
    put(body_, ~std::uint32_t{0}); // a length of -1
    ++count_;
    has_null_ = true;
}

std::string binary_array::encoded() const {
    // array_send: dimensions, has-null flag, element type, then for each dimension its size and lower bound.
    std::string out;
    out.reserve(body_.size() + 20);
    put(out, std::uint32_t{count_ > 0 ? 1U : 0U});
    put(out, std::uint32_t{has_null_ ? 1U : 0U});
    put(out, static_cast<std::uint32_t>(element_));
    if (count_ > 0) {
        put(out, count_);
        put(out, std::uint32_t{1});
        out += body_;
    }
    return out;
}

binary_array text_array(std::vector<std::string> const& texts) {
    binary_array out(pg_type::text);
    for (auto const& text : texts)
        out.add(std::string_view(text));
    return out;
}

parameters& parameters::uuid_value(uuid const& id) { return text(view_of(id)); }

parameters& parameters::int4(std::int32_t value) {
    put(values_.emplace_back(), static_cast<std::uint32_t>(value));
    return *this;
}

parameters& parameters::int8(std::int64_t value) {
    put(values_.emplace_back(), static_cast<std::uint64_t>(value));
    return *this;
}

parameters& parameters::boolean(bool value) {
    values_.emplace_back(1, value ? '\1' : '\0');
    return *this;
}

parameters& parameters::text(std::string_view value) {
    values_.emplace_back(value);
    return *this;
}

parameters& parameters::bytes(std::span<std::uint8_t const> value) { return text(view_of(value)); }

parameters& parameters::array(binary_array const& value) {
    values_.push_back(value.encoded());
    return *this;
}

std::vector<std::string> parse_text_array(std::string_view text) {
    std::vector<std::string> out;
    if (text.size() < 3 || text.front() != '{')
        return out;
    std::string element;
    bool quoted = false;
    bool was_quoted = false;
    for (std::size_t i = 1; i < text.size(); ++i) {
        char const c = text[i];
        if (quoted && c == '\\' && i + 1 < text.size()) {
            element += text[++i];
        } else if (c == '"') {
            quoted = !quoted;
            was_quoted = true;
        } else if (!quoted && (c == ',' || c == '}')) {
            out.push_back(!was_quoted && element == "NULL" ? std::string() : std::move(element));
            element.clear();
            was_quoted = false;
        } else {
            element += c;
        }
    }
    return out;
}

} // namespace klen::webhooks::store
