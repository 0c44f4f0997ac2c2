// Bodies must survive JSON.stringify(JSON.parse(body)) in a real JavaScript engine. Documents are made at random from
// everything that has gone wrong somewhere; tests/node/stringify_check.mjs judges them.
#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"
#include "node/run_node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iostream>
#include <random>
#include <set>

namespace klen::webhooks::event {
namespace {

using testing_node::handed_file;
using testing_node::run_node;

/// What Node is asked, as tests/node/stringify_check.mjs reads it.
class question {
  public:
    void add(char kind, std::string_view published, std::string_view written) {
        text_ += kind;
        add(published);
        add(written);
    }
    std::string const& text() const { return text_; }

  private:
    void add(std::string_view part) {
        for (unsigned shift = 0; shift < 32; shift += 8)
            text_ += static_cast<char>(part.size() >> shift & 0xff);
        text_ += part;
    }
    std::string text_;
};

void append_utf8(std::string& out, char32_t code) {
    auto const put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
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

/// Writes JSON as a publisher with no taste would.
class nasty_writer {
  public:
    explicit nasty_writer(std::uint64_t seed) : random_(seed) {}

    std::string payload() {
        out_.clear();
        object(2 + below(5));
        return std::move(out_);
    }
    /// Numbers of every kind, most of which a double cannot hold.
    std::string any_number();
    /// Members whose keys are array indices, among others.
    std::string index_keys();

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
    bool one_in(std::size_t n) { return below(n) == 0; }

  private:
    void space() {
        while (one_in(6))
            out_ += " \t\r\n"[below(4)];
    }
    void value(std::size_t depth);
    void object(std::size_t depth);
    void array(std::size_t depth);
    void number();
    void spelled(bool negative, std::string digits, int point);
    std::u32string characters();
    char32_t character();
    void string(std::u32string const& text);
    void unicode_escape(char32_t unit);

    std::mt19937_64 random_;
    std::string out_;
};

void nasty_writer::value(std::size_t depth) {
    space();
    switch (below(depth == 0 ? 6 : 8)) {
    case 0:
        out_ += "true";
        break;
    case 1:
        out_ += one_in(2) ? "false" : "null";
        break;
    case 2:
    case 3:
        number();
        break;
    case 4:
    case 5:
        string(characters());
        break;
    case 6:
        array(depth - 1);
        break;
    default:
        object(depth - 1);
    }
    space();
}

void nasty_writer::object(std::size_t depth) {
    static constexpr std::u32string_view famous[] = {U"__proto__", U"constructor",    U"toString", U"length",
                                                     U"",          U"hasOwnProperty", U"01",       U"-1",
                                                     U"1e3",       U"4294967296x"};
    out_ += '{';
    std::set<std::u32string> keys;
    for (std::size_t i = below(7); i > 0; --i) {
        std::u32string key(one_in(8) ? famous[below(std::size(famous))] : characters());
        bool const only_digits = key.find_first_not_of(U"0123456789") == std::u32string::npos && !key.empty();
        if (only_digits)
            key += U'k';
        if (!keys.insert(key).second)
            continue;
        if (keys.size() > 1)
            out_ += ',';
        space();
        string(key);
        space();
        out_ += ':';
        value(depth);
    }
    space();
    out_ += '}';
}

void nasty_writer::array(std::size_t depth) {
    out_ += '[';
    for (std::size_t i = below(6); i > 0; --i) {
        value(depth);
        if (i > 1)
            out_ += ',';
    }
    space();
    out_ += ']';
}

/// A number that ECMAScript would print with the same value, in one of its many spellings.
void nasty_writer::number() {
    double drawn = 0;
    switch (below(6)) {
    case 0:
        drawn = static_cast<double>(below(1000));
        break;
    case 1:
        drawn = static_cast<double>(random_() >> (11 + below(53)));
        break; // any integer up to 2^53
    case 2:
        drawn = static_cast<double>(below(1'000'000)) / 1000.0;
        break;
    case 3:
        drawn = std::ldexp(1.0, static_cast<int>(below(2098)) - 1074);
        break;
    case 4: {
        static constexpr double edges[] = {0,
                                           5e-324,
                                           2.2250738585072014e-308,
                                           1.7976931348623157e308,
                                           1e21,
                                           1e20,
                                           1e-6,
                                           1e-7,
                                           1e22,
                                           9007199254740991,
                                           9007199254740992,
                                           0.1,
                                           999999999999999900000.0};
        drawn = edges[below(std::size(edges))];
        break;
    }
    default: {
        std::uint64_t const bits = random_();
        std::memcpy(&drawn, &bits, sizeof drawn);
        if (!std::isfinite(drawn))
            drawn = 0;
    }
    }
    char text[64];
    char* const end = std::to_chars(text, text + sizeof text, std::fabs(drawn), std::chars_format::scientific).ptr;
    std::string_view const written(text, static_cast<std::size_t>(end - text));
    auto const e = written.find('e');
    std::string digits(1, written[0]);
    if (e > 1)
        digits += written.substr(2, e - 2);
    spelled(std::signbit(drawn) || one_in(4), digits, 1 + std::stoi(std::string(written.substr(e + 1))));
}

/// 0.digits × 10^point with the point moved about, zeros added and any form of exponent.
void nasty_writer::spelled(bool negative, std::string digits, int point) {
    if (negative)
        out_ += '-';
    digits.append(one_in(3) ? below(30) : 0, '0');
    bool const plain = one_in(2) && point > -40 && point < 40;
    int const whole = plain ? point : static_cast<int>(below(digits.size() + 1)); // digits before the point
    if (whole <= 0) {
        out_ += "0.";
        out_.append(static_cast<std::size_t>(-whole), '0');
        out_ += digits;
    } else if (static_cast<std::size_t>(whole) >= digits.size()) {
        bool const zero = digits.find_first_not_of('0') == std::string::npos;
        out_ += zero ? "0" : digits + std::string(static_cast<std::size_t>(whole) - digits.size(), '0');
    } else if (digits[0] == '0') {
        out_ += "0." + digits;
    } else {
        out_ +=
            digits.substr(0, static_cast<std::size_t>(whole)) + "." + digits.substr(static_cast<std::size_t>(whole));
    }
    if (plain && one_in(3))
        return;
    int const exponent = plain ? 0 : point - whole;
    if (plain && one_in(2))
        return;
    out_ += one_in(2) ? 'e' : 'E';
    out_ += exponent < 0 ? "-" : one_in(2) ? "+" : "";
    out_ += std::string(one_in(4) ? 3 : 0, '0') + std::to_string(std::abs(exponent));
}

std::u32string nasty_writer::characters() {
    std::u32string out;
    for (std::size_t i = one_in(30) ? below(300) : below(14); i > 0; --i)
        out += character();
    return out;
}

char32_t nasty_writer::character() {
    static constexpr char32_t odd[] = {0x0,    0x7f,   0x80,    0x9f,     0xa0,    0xad,   0x2028,
                                       0x2029, 0x202e, 0xfeff,  0xfffd,   0xfffe,  0xffff, 0xfdd0,
                                       0xd7ff, 0xe000, 0x10000, 0x10ffff, 0x1f600, 0x7ff,  0x800,
                                       '/',    '<',    '&',     '\'',     '"',     '\\',   'u'};
    switch (below(10)) {
    case 0:
        return static_cast<char32_t>(below(0x20));
    case 1:
        return odd[below(std::size(odd))];
    case 2:
        return static_cast<char32_t>(0xa0 + below(0x700));
    case 3: {
        auto const bmp = static_cast<char32_t>(0x800 + below(0xf800));
        return bmp >= 0xd800 && bmp <= 0xdfff ? bmp - 0x1000 : bmp;
    }
    case 4:
        return static_cast<char32_t>(0x10000 + below(0x100000));
    default:
        return static_cast<char32_t>(0x20 + below(0x5f));
    }
}

void nasty_writer::unicode_escape(char32_t unit) {
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) {
        std::string_view const digits = one_in(2) ? "0123456789abcdef" : "0123456789ABCDEF";
        out_ += digits[unit >> shift & 15];
    }
}

void nasty_writer::string(std::u32string const& text) {
    static constexpr std::string_view short_escapes = "\"\\/bfnrt";
    static constexpr std::string_view short_meanings = "\"\\/\b\f\n\r\t";
    out_ += '"';
    for (char32_t const code : text) {
        auto const escape = code < 0x80 ? short_meanings.find(static_cast<char>(code)) : std::string_view::npos;
        bool const must = code < 0x20 || code == '"' || code == '\\';
        if (!must && !one_in(8)) {
            append_utf8(out_, code);
        } else if (escape != std::string_view::npos && !one_in(4)) {
            out_ += '\\';
            out_ += short_escapes[escape];
        } else if (code < 0x10000) {
            unicode_escape(code);
        } else {
            unicode_escape(0xd800 + ((code - 0x10000) >> 10));
            unicode_escape(0xdc00 + ((code - 0x10000) & 0x3ff));
        }
    }
    out_ += '"';
}

std::string nasty_writer::any_number() {
    out_.clear();
    std::string digits;
    for (std::size_t i = 1 + below(one_in(20) ? 900 : 25); i > 0; --i)
        digits += static_cast<char>('0' + below(one_in(3) ? 2 : 10));
    auto const first = digits.find_first_not_of('0');
    digits = first == std::string::npos ? "0" : digits.substr(first);
    spelled(one_in(3), digits, static_cast<int>(below(one_in(3) ? 700 : 50)) - (one_in(2) ? 360 : 20));
    return std::move(out_);
}

std::string nasty_writer::index_keys() {
    std::set<std::string> keys;
    std::string out = "{";
    for (std::size_t i = 2 + below(8); i > 0; --i) {
        static constexpr std::string_view indices[] = {"0",          "1",  "9", "10", "4294967294",
                                                       "4294967295", "-1", "a", "01"};
        std::string const key =
            one_in(2) ? std::string(indices[below(std::size(indices))]) : std::to_string(below(200));
        if (keys.insert(key).second)
            out += (keys.size() > 1 ? ",\"" : "\"") + key + "\":" + std::to_string(i);
    }
    return out + "}";
}

std::uint64_t seed() {
    if (char const* const given = std::getenv("KLEN_TEST_SEED"))
        return std::stoull(given);
    return std::random_device{}();
}

/// The body that the whole way of publishing makes of a payload.
std::string body_of(std::string_view payload) {
    std::string const text = R"({"account_id":"a","event_type":"call.ended","payload":)" + std::string(payload) + "}";
    auto const parsed = parse_publish_request(text, {});
    if (auto const* error = std::get_if<json_error>(&parsed))
        return "refused: " + error->text();
    return make_body("call.ended", std::get<publish_request>(parsed).payload, "2026-03-02T09:18:41Z");
}

std::string nested(std::string_view open, std::string_view middle, std::string_view close, int times) {
    std::string out;
    for (int i = 0; i < times; ++i)
        out += open;
    out += middle;
    for (int i = 0; i < times; ++i)
        out += close;
    return out;
}

/// So many in one file for Node; KLEN_NODE_DOCUMENTS asks for more files.
constexpr int documents_at_once = 25'000;

int documents_wanted() {
    char const* const given = std::getenv("KLEN_NODE_DOCUMENTS");
    return given != nullptr ? std::stoi(given) : documents_at_once;
}

/// Documents that chance would not make.
std::vector<std::string> chosen_payloads() {
    std::vector<std::string> out{
        "{}",
        R"({"a":)" + nested("[", "1.0", "]", 127) + "}",
        nested(R"({"\u0061":)", "{}", "}", 127),
        R"({"__proto__":{"__proto__":null},"\u005f_proto__x":1})",
        R"({"long":")" + std::string(100'000, 'x') + R"(\u2028\/"})",
    };
    for (auto const& entry : built_in_event_types())
        out.push_back(std::get<publish_request>(parse_publish_request(entry.sample, {})).payload);
    return out;
}

TEST(node_corpus, bodies_survive_being_parsed_and_stringified_in_javascript) {
    std::uint64_t const with = seed();
    std::cout << "KLEN_TEST_SEED=" << with << '\n';
    nasty_writer writer(with);
    int left = documents_wanted();
    auto const chosen = chosen_payloads();
    for (bool first = true; left > 0; first = false) {
        int const count = std::min(left, documents_at_once);
        left -= count;
        question ask;
        for (int i = 0; i < count; ++i) {
            std::string const payload = writer.payload();
            std::string const body = body_of(payload);
            ASSERT_FALSE(body.starts_with("refused")) << body << '\n' << payload;
            ask.add('d', payload, body);
        }
        if (first)
            for (auto const& payload : chosen)
                ask.add('d', payload, body_of(payload));
        auto const answer = run_node("stringify_check.mjs", handed_file(ask.text()));
        ASSERT_EQ(answer.exit_code, 0) << answer.hint();
        int const checked = count + (first ? static_cast<int>(chosen.size()) : 0);
        EXPECT_EQ(answer.output, "checked " + std::to_string(checked) + " documents, 0 reordered, 0 numbers\n");
    }
}

TEST(node_corpus, numbers_are_javascripts_where_no_digit_is_lost_and_the_publishers_elsewhere) {
    std::uint64_t const with = seed();
    std::cout << "KLEN_TEST_SEED=" << with << '\n';
    nasty_writer writer(with);
    question ask;
    int asked = 0;
    auto const add = [&](std::string const& number) {
        ask.add('n', number, canonical_number(number));
        ++asked;
    };
    for (int i = 0; i < 50'000; ++i)
        add(writer.any_number());
    for (int power = -1074; power < 1024; ++power) { // the exact digits of each power of two: up to 309 or 1,074
        char text[1400];
        auto const [end, error] =
            std::to_chars(text, text + sizeof text, std::ldexp(1.0, power), std::chars_format::fixed, 1074);
        ASSERT_EQ(error, std::errc{}) << power;
        std::string exact(text, static_cast<std::size_t>(end - text));
        add(exact);
        add(exact.substr(0, exact.find('.')));
    }
    for (std::uint64_t near = (1ULL << 53) - 50; near < (1ULL << 53) + 50; ++near)
        for (auto const* sign : {"", "-"})
            add(sign + std::to_string(near));
    for (auto const* text :
         {"-0", "0", "-0.0", "0e0", "-0e-999999", "1e21", "1e-7", "5e-324", "2.4703282292062327e-324", "1e308",
          "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e400", "-1e400", "1e-400",
          "1e99999999999999999999", "1E+00000000000000000000021"})
        add(text);
    auto const answer = run_node("stringify_check.mjs", handed_file(ask.text()));
    ASSERT_EQ(answer.exit_code, 0) << answer.hint();
    EXPECT_EQ(answer.output, "checked 0 documents, 0 reordered, " + std::to_string(asked) + " numbers\n");
}

TEST(node_corpus, index_like_keys_keep_their_published_order) {
    std::uint64_t const with = seed();
    std::cout << "KLEN_TEST_SEED=" << with << '\n';
    nasty_writer writer(with);
    question ask;
    for (int i = 0; i < 1'000; ++i) {
        std::string const payload = writer.index_keys();
        std::string const body = body_of(payload);
        EXPECT_EQ(body, R"({"event_type":"call.ended",)" + payload.substr(1, payload.size() - 2) +
                            R"(,"timestamp":"2026-03-02T09:18:41Z"})");
        ask.add('o', payload, body);
    }
    auto const answer = run_node("stringify_check.mjs", handed_file(ask.text()));
    ASSERT_EQ(answer.exit_code, 0) << answer.hint();
    EXPECT_EQ(answer.output, "checked 0 documents, 1000 reordered, 0 numbers\n");
}

} // namespace
} // namespace klen::webhooks::event
