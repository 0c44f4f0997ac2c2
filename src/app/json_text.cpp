#include "app/json_text.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <algorithm>

namespace klen::webhooks::app {

namespace {

/// Past the string that begins at `at`.
std::size_t string_end(std::string_view text, std::size_t at) {
    ++at;
    while (at < text.size() && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return std::min(at + 1, text.size());
}

/// Lays canonical JSON out, one token at a time.
class indenter {
  public:
    indenter(std::string_view text, std::string_view margin) : text_(text), margin_(margin) {}

    std::string run() {
        new_line();
        for (at_ = 0; at_ < text_.size(); ++at_)
            step(text_[at_]);
        return std::move(out_);
    }

  private:
    void step(char c) {
        if (c == '"') {
            copy_string();
        } else if (c == '{' || c == '[') {
            out_ += c;
            if (closes_at_once()) {
                out_ += text_[++at_];
                return;
            }
            ++depth_;
            new_line();
        } else if (c == '}' || c == ']') {
            --depth_;
            new_line();
            out_ += c;
        } else if (c == ',') {
            out_ += c;
            new_line();
        } else if (c == ':') {
            out_ += ": ";
        } else {
            out_ += c;
        }
    }

    bool closes_at_once() const { return at_ + 1 < text_.size() && (text_[at_ + 1] == '}' || text_[at_ + 1] == ']'); }

    void copy_string() {
        auto const end = string_end(text_, at_);
        out_ += text_.substr(at_, end - at_);
        at_ = end - 1;
    }

    void new_line() {
        if (!out_.empty())
            out_ += '\n';
        out_ += margin_;
        out_.append(depth_ * 2, ' ');
    }

    std::string_view text_;
    std::string_view margin_;
    std::string out_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
};

/// Bytes of the UTF-8 character that begins `text`; 0 when it is none.
std::size_t character_bytes(std::string_view text) {
    for (std::size_t n = 1; n <= 4 && n <= text.size(); ++n) {
        if (is_utf8(text.substr(0, n)))
            return n;
    }
    return 0;
}

/// C1 controls, zero-width and direction-changing characters, line and paragraph separators, the BOM, tags.
bool hides_or_turns(std::string_view c) {
    if (c.size() == 2)
        return (c[0] == '\xC2' && static_cast<unsigned char>(c[1]) < 0xA0) || c == "\xD8\x9C";
    if (c.size() == 4)
        return c.starts_with("\xF3\xA0\x80") || c.starts_with("\xF3\xA0\x81");
    if (c.size() != 3)
        return false;
    auto const second = static_cast<unsigned char>(c[1]);
    auto const third = static_cast<unsigned char>(c[2]);
    if (c[0] == '\xE2' && second == 0x80)
        return (third >= 0x8B && third <= 0x8F) || (third >= 0xA8 && third <= 0xAE);
    if (c[0] == '\xE2' && second == 0x81)
        return third >= 0xA0 && third <= 0xAF;
    return c == "\xEF\xBB\xBF" || c == "\xE1\xA0\x8E" || (c.starts_with("\xEF\xBF") && third >= 0xB9 && third <= 0xBB);
}

/// Past the value that begins at `at`: where its "," or the bracket around it stands.
std::size_t value_end(std::string_view text, std::size_t at) {
    for (std::size_t depth = 0; at < text.size();) {
        char const c = text[at];
        if (c == '"') {
            at = string_end(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        if (c == '{' || c == '[')
            ++depth;
        if (c == '}' || c == ']')
            --depth;
        ++at;
    }
    return at;
}

} // namespace

std::string indent_json(std::string_view canonical, std::string_view margin, std::size_t lines_max) {
    auto out = indenter(canonical, margin).run();
    std::size_t at = 0;
    for (std::size_t lines = 0; lines < lines_max; ++lines) {
        at = out.find('\n', at);
        if (at == std::string::npos)
            return out;
        ++at;
    }
    auto const left = std::count(out.begin() + static_cast<std::ptrdiff_t>(at), out.end(), '\n') + 1;
    out.resize(at);
    out += std::string(margin) + "... " + std::to_string(left) + " more lines";
    return out;
}

std::string terminal_safe(std::string_view text, std::size_t bytes_max, bool keep_lines) {
    std::string out;
    while (!text.empty()) {
        if (out.size() >= bytes_max)
            return out + "...";
        auto const n = character_bytes(text);
        auto const c = text.substr(0, std::max<std::size_t>(n, 1));
        bool const control = c.size() == 1 && (static_cast<unsigned char>(c[0]) < 0x20 || c[0] == '\x7f');
        if (n == 0 || (control && !(keep_lines && c[0] == '\n')) || hides_or_turns(c))
            out += '?';
        else
            out += c;
        text.remove_prefix(c.size());
    }
    return out;
}

std::string_view member_of(std::string_view canonical, std::string_view name) {
    if (!canonical.starts_with('{'))
        return {};
    for (std::size_t at = 1; at < canonical.size() && canonical[at] == '"';) {
        auto const key_end = string_end(canonical, at);
        auto const key = canonical.substr(at + 1, key_end - at - 2);
        auto const value = key_end + 1; // past the colon
        auto const end = value_end(canonical, value);
        if (key == name)
            return canonical.substr(value, end - value);
        at = end + 1; // past the comma
    }
    return {};
}

std::string json_quoted(std::string_view text) {
    std::string clean;
    while (!text.empty()) {
        auto const n = character_bytes(text);
        clean += n == 0 ? "\xEF\xBF\xBD" : text.substr(0, n);
        text.remove_prefix(std::max<std::size_t>(n, 1));
    }
    std::string out;
    event::append_json_string(out, clean);
    return out;
}

} // namespace klen::webhooks::app
