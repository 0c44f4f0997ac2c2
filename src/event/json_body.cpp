#include "klen/webhooks/event/json_body.hpp"

#include "json_reader.hpp"

namespace klen::webhooks::event {

std::string json_error::text() const {
    std::string out = "line " + std::to_string(line) + ", column " + std::to_string(column) + " (byte " +
                      std::to_string(offset) + ")";
    if (!path.empty())
        out += ", at " + path;
    return out + ": " + what;
}

std::optional<json_error> canonical_json(std::string_view text, json_limits limits, std::string& out) {
    out.clear();
    out.reserve(text.size());
    json_reader in(text, limits);
    if (in.begin() && in.value(out) && in.end())
        return std::nullopt;
    return in.error();
}

std::string make_body(std::string_view event_type, std::string_view payload, std::string_view timestamp) {
    std::string_view const members = payload.substr(1, payload.size() - 2);
    std::string out;
    out.reserve(members.size() + event_type.size() + timestamp.size() + 48);
    out += R"({"event_type":)";
    append_json_string(out, event_type);
    out += ',';
    if (!members.empty())
        out.append(members).append(",");
    out += R"("timestamp":)";
    append_json_string(out, timestamp);
    out += '}';
    return out;
}

} // namespace klen::webhooks::event
