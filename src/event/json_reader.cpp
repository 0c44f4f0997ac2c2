#include "json_reader.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace klen::webhooks::event {

namespace {

/// Does one of the eight bytes end a run that can be copied as it is: a control character, a quote, a backslash, or
/// anything past ASCII?
bool has_special(char const* eight) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t tops = 0x8080808080808080;
    std::uint64_t x = 0;
    std::memcpy(&x, eight, sizeof x);
    auto const zero_byte = [](std::uint64_t v) { return (v - ones) & ~v; };
    std::uint64_t const control = (x - ones * 0x20) & ~x;
    return ((control | zero_byte(x ^ (ones * '"')) | zero_byte(x ^ (ones * '\\')) | x) & tops) != 0;
}

/// ASCII that is written in a string as it was read.
constexpr std::array<bool, 256> plain = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0x20; c < 0x80; ++c)
        out[c] = c != '"' && c != '\\';
    return out;
}();

/// Bytes of the well-formed UTF-8 sequence past ASCII that `text` begins with (RFC 3629); 0: it is not one.
std::size_t utf8_sequence(std::string_view text) {
    auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    auto const tail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    unsigned const first = byte(0);
    if (first >= 0xc2 && first <= 0xdf)
        return tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        bool const in_range = !(first == 0xe0 && byte(1) < 0xa0) && !(first == 0xed && byte(1) > 0x9f);
        return tail(1) && tail(2) && in_range ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        bool const in_range = !(first == 0xf0 && byte(1) < 0x90) && !(first == 0xf4 && byte(1) > 0x8f);
        return tail(1) && tail(2) && tail(3) && in_range ? 4 : 0;
    }
    return 0;
}

void append_utf8(std::string& out, unsigned code) {
    auto const put = [&](unsigned byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

std::string hex(unsigned value, int width) {
    std::string out;
    for (int shift = (width - 1) * 4; shift >= 0; shift -= 4)
        out += "0123456789abcdef"[value >> shift & 15];
    return out;
}

/// The byte at the start of `text`, for a message.
std::string describe(std::string_view text) {
    if (text.empty())
        return "the end of the text";
    auto const c = static_cast<unsigned char>(text.front());
    if (c < 0x20 || c == 0x7f)
        return "the control character U+" + hex(c, 4);
    if (c >= 0x80)
        return "the byte 0x" + hex(c, 2);
    return c == '\'' ? "a single quote" : "'" + std::string(1, text.front()) + "'";
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_plain_name(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '$';
    });
}

/// Members that the body has of its own.
constexpr std::array<std::string_view, 2> reserved_members = {"event_type", "timestamp"};

} // namespace

// --- the flow ---------------------------------------------------------------------------------------

bool json_reader::begin() {
    if (text_.starts_with("\xef\xbb\xbf"))
        return fail("the text begins with a byte order mark: send UTF-8 without one");
    return true;
}

bool json_reader::end() {
    skip_space();
    return at_ == text_.size() || fail_unexpected("nothing more after the value");
}

bool json_reader::value(std::string& out) {
    out_ = &out;
    frames_.clear();
    keys_.clear();
    reserved_member_ = {};
    for (;;) {
        skip_space();
        char const first = at_ < text_.size() ? text_[at_] : '\0';
        step next = step::value_done;
        if (first == '{' || first == '[')
            next = open(first);
        else if (!scalar(first))
            next = step::failed;
        if (next == step::value_done)
            next = after_value();
        if (next != step::next_value)
            return next == step::value_done;
    }
}

bool json_reader::scalar(char first) {
    switch (first) {
    case '"':
        return string(*out_);
    case 't':
        return literal("true");
    case 'f':
        return literal("false");
    case 'n':
        return literal("null");
    default:
        if (first == '-' || is_digit(first))
            return number();
        return fail_unexpected("a value");
    }
}

json_reader::step json_reader::open(char bracket) {
    if (frames_.size() >= depth_max_) {
        fail("more than " + std::to_string(depth_max_) + " arrays and objects within one another");
        return step::failed;
    }
    bool const object = bracket == '{';
    frames_.push_back({object, false, keys_.size(), 0});
    *out_ += bracket;
    ++at_;
    skip_space();
    if (at(object ? '}' : ']'))
        return close();
    if (object && !member_key())
        return step::failed;
    return step::next_value;
}

/// A value is complete: go on to the next one, closing what ends here.
json_reader::step json_reader::after_value() {
    while (!frames_.empty()) {
        frame& top = frames_.back();
        skip_space();
        if (take(',')) {
            *out_ += ',';
            ++top.index;
            top.in_member = false;
            return !top.object || member_key() ? step::next_value : step::failed;
        }
        if (!at(top.object ? '}' : ']')) {
            fail_unexpected(top.object ? "',' or '}' after a member" : "',' or ']' after an element");
            return step::failed;
        }
        if (close() == step::failed)
            return step::failed;
    }
    return step::value_done;
}

json_reader::step json_reader::close() {
    frame const top = frames_.back();
    if (top.object && !keys_differ(top.keys_begin))
        return step::failed;
    keys_.resize(top.keys_begin);
    frames_.pop_back();
    *out_ += top.object ? '}' : ']';
    ++at_;
    return step::value_done;
}

bool json_reader::member_key() {
    skip_space();
    if (!at('"'))
        return fail_unexpected("a member's name in double quotes");
    std::size_t const offset = at_;
    std::size_t const before = out_->size() + 1;
    if (!string(*out_))
        return false;
    keys_.push_back({before, out_->size() - 1 - before, offset});
    if (frames_.size() == 1 && reserved_member_.empty()) {
        auto const found = std::ranges::find(reserved_members, written(keys_.back()));
        if (found != reserved_members.end())
            reserved_member_ = *found;
    }
    frames_.back().in_member = true;
    skip_space();
    if (!take(':'))
        return fail_unexpected("':' after a member's name");
    *out_ += ':';
    return true;
}

/// Two keys are the same string exactly when they are written the same, because a string has one canonical form. So the
/// bytes already written are compared. Sorting keeps the cost at n log n whatever keys somebody thinks up; a hash table
/// would need a secret for that.
bool json_reader::keys_differ(std::size_t begin) {
    std::span<key> const keys = std::span(keys_).subspan(begin);
    key const* repeated = nullptr;
    auto const same = [&](key const& a, key const& b) { return a.length == b.length && written(a) == written(b); };
    constexpr std::size_t few = 16;
    if (keys.size() <= few) {
        for (std::size_t i = 1; i < keys.size() && repeated == nullptr; ++i)
            for (std::size_t k = 0; k < i && repeated == nullptr; ++k)
                if (same(keys[i], keys[k]))
                    repeated = &keys[i];
    } else {
        std::ranges::sort(keys, [&](key const& a, key const& b) {
            if (a.length != b.length)
                return a.length < b.length;
            int const order = std::memcmp(written(a).data(), written(b).data(), a.length);
            return order != 0 ? order < 0 : a.offset < b.offset;
        });
        for (std::size_t i = 1; i < keys.size(); ++i)
            if (same(keys[i], keys[i - 1]) && (repeated == nullptr || keys[i].offset < repeated->offset))
                repeated = &keys[i];
    }
    if (repeated == nullptr)
        return true;
    frames_.back().in_member = false; // the place is the object, not the member that was read last
    return fail_at(repeated->offset, "duplicate key \"" + cut_key(written(*repeated)) + "\"");
}

// --- what a value is made of ------------------------------------------------------------------------

void json_reader::skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
        ++at_;
}

bool json_reader::take(char c) {
    if (!at(c))
        return false;
    ++at_;
    return true;
}

bool json_reader::literal(std::string_view word) {
    if (!text_.substr(at_).starts_with(word))
        return fail_unexpected("a value");
    out_->append(word);
    at_ += word.size();
    return true;
}

bool json_reader::number() {
    std::size_t const start = at_;
    bool const negative = take('-');
    if (at('0')) {
        ++at_;
        if (at_ < text_.size() && is_digit(text_[at_]))
            return fail("a number does not begin with a zero that others follow");
    } else if (!digits("after '-'")) {
        return false;
    }
    std::size_t const whole_digits = at_ - start - (negative ? 1 : 0);
    bool whole = true;
    if (take('.')) {
        whole = false;
        if (!digits("after '.'"))
            return false;
    }
    if (at('e') || at('E')) {
        whole = false;
        ++at_;
        if (at('+') || at('-'))
            ++at_;
        if (!digits("in an exponent"))
            return false;
    }
    std::string_view const text = text_.substr(start, at_ - start);
    if (whole && whole_digits <= 15 && text != "-0")
        out_->append(text); // what most numbers are: exact as it stands
    else
        append_number(*out_, text);
    return true;
}

bool json_reader::digits(std::string_view where) {
    std::size_t const start = at_;
    while (at_ < text_.size() && is_digit(text_[at_]))
        ++at_;
    return at_ > start || fail_unexpected("a digit " + std::string(where));
}

bool json_reader::string(std::string& out) {
    std::size_t const start = at_;
    std::size_t run = at_; // from here on nothing was written yet; the quotes are copied with what they enclose
    out_ = &out;
    ++at_;
    for (;;) {
        skip_plain();
        if (at_ == text_.size())
            return fail_at(start, "a string is not closed");
        char const c = text_[at_];
        if (c == '"') {
            ++at_;
            out.append(text_, run, at_ - run);
            return true;
        }
        if (c != '\\')
            break;
        out.append(text_, run, at_ - run);
        if (!escape())
            return false;
        run = at_;
    }
    auto const byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 0x20)
        return fail("a raw control character in a string: write U+" + hex(byte, 4) + " as \\u" + hex(byte, 4));
    return fail("not UTF-8: the byte 0x" + hex(byte, 2) + " does not begin a well-formed sequence");
}

/// Steps over everything that is written as it was read.
void json_reader::skip_plain() {
    for (;;) {
        while (text_.size() - at_ >= 8 && !has_special(text_.data() + at_))
            at_ += 8;
        while (at_ < text_.size() && plain[static_cast<unsigned char>(text_[at_])])
            ++at_;
        std::size_t const bytes = utf8_sequence(text_.substr(at_));
        if (bytes == 0)
            return;
        at_ += bytes;
    }
}

bool json_reader::escape() {
    char const c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    switch (c) {
    case '"':
        append_escape(*out_, '"');
        break;
    case '\\':
        append_escape(*out_, '\\');
        break;
    case '/':
        *out_ += '/';
        break;
    case 'b':
        append_escape(*out_, '\b');
        break;
    case 't':
        append_escape(*out_, '\t');
        break;
    case 'n':
        append_escape(*out_, '\n');
        break;
    case 'f':
        append_escape(*out_, '\f');
        break;
    case 'r':
        append_escape(*out_, '\r');
        break;
    case 'u':
        return unicode_escape();
    default:
        return fail("an escape that JSON does not have: only \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX");
    }
    at_ += 2;
    return true;
}

bool json_reader::unicode_escape() {
    auto const first = hex4(at_ + 2);
    if (!first)
        return fail("\\u is followed by four hexadecimal digits");
    unsigned code = *first;
    std::size_t length = 6;
    if (code >= 0xd800 && code <= 0xdfff) {
        bool const paired = code <= 0xdbff && text_.substr(at_ + length).starts_with("\\u");
        auto const second = paired ? hex4(at_ + length + 2) : std::nullopt;
        if (!second || *second < 0xdc00 || *second > 0xdfff)
            return fail("a lone surrogate \\u" + hex(code, 4) + ": it is half a character");
        code = 0x10000 + ((code - 0xd800) << 10) + (*second - 0xdc00);
        length += 6;
    }
    if (code < 0x20 || code == '"' || code == '\\')
        append_escape(*out_, static_cast<char>(code));
    else
        append_utf8(*out_, code);
    at_ += length;
    return true;
}

std::optional<unsigned> json_reader::hex4(std::size_t from) const {
    if (from > text_.size() || text_.size() - from < 4)
        return std::nullopt;
    unsigned value = 0;
    for (char const c : text_.substr(from, 4)) {
        unsigned digit = 0;
        if (is_digit(c))
            digit = static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<unsigned>(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<unsigned>(c - 'A') + 10;
        else
            return std::nullopt;
        value = value << 4 | digit;
    }
    return value;
}

// --- errors -----------------------------------------------------------------------------------------

bool json_reader::fail_at(std::size_t offset, std::string what) {
    error_ = error_at(text_, offset, path(), std::move(what));
    return false;
}

bool json_reader::fail_unexpected(std::string_view expected) {
    return fail("expected " + std::string(expected) + ", found " + describe(text_.substr(at_)));
}

std::string json_reader::path() const {
    constexpr std::size_t bytes_max = 256;
    std::string out(root_);
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (out.size() > bytes_max)
            return out + "…";
        frame const& f = frames_[i];
        if (!f.object) {
            out += '[' + std::to_string(f.index) + ']';
            continue;
        }
        if (!f.in_member)
            break; // only the innermost can be between two members
        // The key of the member that is being read is the last one before the next frame's keys.
        std::size_t const keys_end = i + 1 < frames_.size() ? frames_[i + 1].keys_begin : keys_.size();
        std::string_view const name = written(keys_[keys_end - 1]);
        if (is_plain_name(name))
            out.append(out.empty() ? "" : ".").append(cut_key(name));
        else
            out.append("[\"").append(cut_key(name)).append("\"]");
    }
    return out;
}

json_error error_at(std::string_view text, std::size_t offset, std::string path, std::string what) {
    json_error out;
    out.offset = offset;
    out.path = std::move(path);
    out.what = std::move(what);
    for (char const c : text.substr(0, offset)) {
        if (c == '\n') {
            ++out.line;
            out.column = 1;
        } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
            ++out.column;
        }
    }
    return out;
}

} // namespace klen::webhooks::event
