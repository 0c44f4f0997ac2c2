#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <array>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::api {

/// Writes compact JSON by appending. It can splice in text that is JSON already (a body, a sample, metadata), whose
/// numbers a document tree would round. The caller keeps the brackets balanced.
class json_writer {
  public:
    json_writer& begin_object() { return open('{'); }
    json_writer& end_object() { return close('}'); }
    json_writer& begin_array() { return open('['); }
    json_writer& end_array() { return close(']'); }

    json_writer& key(std::string_view name) {
        separate();
        event::append_json_string(out_, name);
        out_ += ':';
        first_ = true;
        return *this;
    }

    json_writer& raw(std::string_view json) {
        separate();
        out_ += json;
        return *this;
    }
    json_writer& null() { return raw("null"); }
    json_writer& value(std::string_view text) {
        separate();
        event::append_json_string(out_, text);
        return *this;
    }
    json_writer& value(std::string const& text) { return value(std::string_view(text)); }
    json_writer& value(char const* text) { return value(std::string_view(text)); }
    json_writer& value(bool truth) { return raw(truth ? "true" : "false"); }
    template <std::integral I>
    json_writer& value(I number) {
        return raw(std::to_string(number));
    }
    /// Finite ones only: JSON has no others.
    json_writer& value(double number) {
        std::array<char, 32> text{};
        auto const done = std::to_chars(text.data(), text.data() + text.size(), number);
        return raw({text.data(), static_cast<std::size_t>(done.ptr - text.data())});
    }
    json_writer& value(std::vector<std::string> const& texts) {
        begin_array();
        for (auto const& text : texts)
            value(text);
        return end_array();
    }
    json_writer& value(wall_time at) { return value(rfc3339_ms(at)); }
    template <class T>
    json_writer& value(std::optional<T> const& maybe) {
        return maybe ? value(*maybe) : null();
    }

    template <class T>
    json_writer& member(std::string_view name, T const& what) {
        return key(name).value(what);
    }
    /// Null when empty.
    json_writer& member_or_null(std::string_view name, std::string_view text) {
        key(name);
        return text.empty() ? null() : value(text);
    }

    std::string take() { return std::move(out_); }

  private:
    json_writer& open(char bracket) {
        separate();
        out_ += bracket;
        first_ = true;
        return *this;
    }
    json_writer& close(char bracket) {
        out_ += bracket;
        first_ = false;
        return *this;
    }
    void separate() {
        if (!first_)
            out_ += ',';
        first_ = false;
    }

    std::string out_;
    bool first_ = true;
};

} // namespace klen::webhooks::api
