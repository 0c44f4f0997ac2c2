#include "app/listen/delivery_printer.hpp"

#include "app/json_text.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>

namespace klen::webhooks::app::listen {

namespace {

constexpr std::size_t shown_bytes_max = std::size_t{64} << 10;

std::string local_time(wall_time at) {
    auto const seconds = std::chrono::floor<std::chrono::seconds>(at);
    auto const ms = std::chrono::duration_cast<std::chrono::milliseconds>(at - seconds).count();
    std::time_t const t = std::chrono::system_clock::to_time_t(seconds);
    std::tm parts{};
    ::localtime_r(&t, &parts);
    std::array<char, 16> text{};
    std::strftime(text.data(), text.size(), "%H:%M:%S", &parts);
    auto digits = std::to_string(ms);
    return std::string(text.data()) + "." + std::string(3 - std::min<std::size_t>(digits.size(), 3), '0') + digits;
}

} // namespace

bool delivery_printer::locale_is_utf8() {
    for (char const* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        char const* value = std::getenv(name);
        if (value == nullptr || *value == '\0')
            continue;
        std::string lower(value);
        for (char& c : lower)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
    }
    return false;
}

std::string delivery_printer::paint(std::string_view code, std::string_view text) const {
    if (!how_.colour)
        return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string delivery_printer::mark(delivery_check const& found, bool good) const {
    if (!found.checked)
        return how_.utf8 ? "–" : "-";
    if (good)
        return paint("32", how_.utf8 ? "✓" : "ok");
    return paint("31", how_.utf8 ? "✗" : "WRONG");
}

void delivery_printer::listening(std::string_view url, std::size_t secrets) {
    if (how_.json)
        out_ << R"({"listening":)" << json_quoted(url) << "}\n";
    else if (secrets == 0)
        out_ << "Listening on " << url << " (no secret given: signatures are not checked)\n";
    else
        out_ << "Listening on " << url << ", verifying with " << secrets << (secrets == 1 ? " secret\n" : " secrets\n");
    out_.flush();
}

void delivery_printer::delivery(wall_time at, delivery_check const& found, std::string_view body, answer const& given) {
    if (how_.json)
        delivery_as_json(at, found, body, given);
    else
        delivery_for_people(at, found, body, given);
    out_.flush();
}

void delivery_printer::delivery_for_people(wall_time at, delivery_check const& found, std::string_view body,
                                           answer const& given) {
    auto const type = found.event_type.empty() ? "(no event type)" : terminal_safe(found.event_type, 128);
    out_ << local_time(at) << "  " << paint("1", type) << "  attempt " << found.attempt << "  "
         << (given.status == 0 ? given.note : "answered " + std::to_string(given.status)) << '\n';
    out_ << "    delivery " << terminal_safe(found.delivery_id, 128) << "   X-Klen-Signature "
         << mark(found, found.klen_signature) << "   webhook-signature " << mark(found, found.standard_signature)
         << '\n';
    if (!found.verified())
        out_ << "    " << paint("31", found.problem) << '\n';
    std::string canonical;
    if (event::canonical_json(body, {}, canonical))
        out_ << "    " << terminal_safe(body, 256) << '\n';
    else
        out_ << terminal_safe(indent_json(canonical, "    ", how_.body_lines_max), shown_bytes_max, true) << '\n';
    out_ << '\n';
}

void delivery_printer::delivery_as_json(wall_time at, delivery_check const& found, std::string_view body,
                                        answer const& given) {
    auto const truth = [](bool value) { return value ? "true" : "false"; };
    auto const signature = [&](bool fits) { return found.checked ? truth(fits) : "null"; };
    std::string canonical;
    bool const broken = event::canonical_json(body, {}, canonical).has_value();
    out_ << R"({"time":")" << rfc3339_ms(at) << R"(","event_type":)" << json_quoted(found.event_type)
         << R"(,"delivery_id":)" << json_quoted(found.delivery_id) << R"(,"attempt":)" << found.attempt
         << R"(,"status":)" << given.status << R"(,"klen_signature":)" << signature(found.klen_signature)
         << R"(,"standard_signature":)" << signature(found.standard_signature) << R"(,"verified":)"
         << truth(found.verified()) << R"(,"problem":)" << json_quoted(found.problem) << R"(,"bytes":)" << body.size()
         << R"(,"body":)" << (broken ? "null" : canonical) << "}\n";
}

void delivery_printer::summary(std::size_t received, std::size_t verified, std::size_t refused) {
    if (how_.json)
        out_ << R"({"received":)" << received << R"(,"verified":)" << verified << R"(,"not_verified":)" << refused
             << "}\n";
    else
        out_ << received << " requests received, " << verified << " deliveries verified and answered with success, "
             << refused << " not verified\n";
    out_.flush();
}

} // namespace klen::webhooks::app::listen
