#include "webhook_rows.hpp"

#include <boost/json.hpp>

namespace klen::webhooks::store {

namespace json = boost::json;

wall_time time_at(rows const& from, std::size_t row, int column) {
    return wall_time(std::chrono::microseconds(from.int8(row, column)));
}

std::optional<wall_time> optional_time_at(rows const& from, std::size_t row, int column) {
    if (from.is_null(row, column))
        return std::nullopt;
    return time_at(from, row, column);
}

std::optional<int> optional_int_at(rows const& from, std::size_t row, int column) {
    if (from.is_null(row, column))
        return std::nullopt;
    return static_cast<int>(from.int8(row, column));
}

std::int64_t microseconds_of(wall_time at) {
    return std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
}

std::string headers_json(std::vector<std::pair<std::string, std::string>> const& headers) {
    json::array out;
    for (auto const& [name, value] : headers)
        out.push_back(json::array{json::string(name), json::string(value)});
    return json::serialize(out);
}

std::vector<std::pair<std::string, std::string>> headers_of(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> out;
    boost::system::error_code error;
    auto const parsed = json::parse(json::string_view(text.data(), text.size()), error);
    if (error || !parsed.is_array())
        throw failure_error({fault::corrupt, "a webhook's headers cannot be read"});
    for (auto const& pair : parsed.get_array()) {
        if (!pair.is_array() || pair.get_array().size() != 2 || !pair.get_array()[0].is_string() ||
            !pair.get_array()[1].is_string())
            throw failure_error({fault::corrupt, "a webhook's headers cannot be read"});
        out.emplace_back(std::string(pair.get_array()[0].get_string()), std::string(pair.get_array()[1].get_string()));
    }
    return out;
}

webhook webhook_at(rows const& from, std::size_t row) {
    webhook out;
    int column = 0;
    out.id = from.id<webhook_id>(row, column++);
    out.account_id = from.text(row, column++);
    out.name = from.text(row, column++);
    out.url = from.text(row, column++);
    out.description = from.text(row, column++);
    out.subscribed_events = parse_text_array(from.text(row, column++));
    out.headers = headers_of(from.text(row, column++));
    out.metadata = from.text(row, column++);
    out.max_concurrency = optional_int_at(from, row, column++);
    out.max_rate_per_second = optional_int_at(from, row, column++);
    out.enabled = from.boolean(row, column++);
    out.disabled_reason = from.text(row, column++);
    out.disabled_at = optional_time_at(from, row, column++);
    out.failing_since = optional_time_at(from, row, column++);
    out.deleted = from.boolean(row, column++);
    out.revision = from.int8(row, column++);
    out.created_at = time_at(from, row, column++);
    out.updated_at = time_at(from, row, column++);
    out.disabled_note = from.text(row, column++);
    return out;
}

} // namespace klen::webhooks::store
