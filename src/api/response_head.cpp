#include "response_head.hpp"

#include <array>
#include <charconv>

namespace klen::webhooks::api {

namespace {

void append_number(std::string& out, std::size_t value) {
    std::array<char, 20> digits{};
    auto const done = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    out.append(digits.data(), done.ptr);
}

bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

/// RFC 9110 §8.6: these have no content, so they have no length either.
bool has_content(int status) { return status >= 200 && status != 204 && status != 304; }

} // namespace

std::string_view reason_phrase(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "";
    }
}

std::string_view date_line::at(std::time_t now) {
    if (now == made_for_)
        return text_;
    // strftime would use the locale's names.
    constexpr std::array<char const*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<char const*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm t{};
    gmtime_r(&now, &t);
    std::array<char, 64> out{};
    int const n = std::snprintf(
        out.data(), out.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[static_cast<std::size_t>(t.tm_wday)],
        t.tm_mday, months[static_cast<std::size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    text_.assign(out.data(), static_cast<std::size_t>(n));
    made_for_ = now;
    return text_;
}

void append_response_head(std::string& out, response const& what, head_options const& how) {
    out += "HTTP/1.1 ";
    append_number(out, static_cast<std::size_t>(what.status));
    out.append(" ").append(reason_phrase(what.status));
    out.append("\r\nDate: ").append(how.date);
    out.append("\r\nX-Request-ID: ").append(how.request_id);
    if (has_content(what.status)) {
        out.append("\r\nContent-Type: ").append(what.content_type);
        out.append("\r\nContent-Length: ");
        append_number(out, what.body.size());
    }
    for (auto const& [name, value] : what.headers) {
        if (is_one_line(name) && is_one_line(value))
            out.append("\r\n").append(name).append(": ").append(value);
    }
    if (!how.keep_alive)
        out += "\r\nConnection: close";
    else if (how.http_1_0)
        out += "\r\nConnection: keep-alive";
    out += "\r\n\r\n";
}

} // namespace klen::webhooks::api
