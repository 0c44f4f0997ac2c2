// The bodies of calls that create and change webhooks. What is taken can be stored, sent and shown; and says the same
// when it is read again.
#include "api/webhook_input.hpp"
#include "fuzz/require.hpp"
#include "klen/webhooks/dispatch/delivery_headers.hpp"
#include "klen/webhooks/event/event_types.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace {

using namespace klen::webhooks;
using namespace klen::webhooks::api;
namespace json = boost::json;

constexpr std::string_view prefix = "X-Klen-";

egress::address_guard const& guard() {
    static auto const out = egress::address_guard::create({}, {}).value();
    return out;
}
intake::event_catalogue const& catalogue() {
    static intake::event_catalogue const out({"order.paid"});
    return out;
}

webhook_rules rules() {
    webhooks_config limits;
    limits.subscriptions_max = 10;
    limits.headers_max = 5;
    limits.headers_bytes_max = 500;
    limits.metadata_bytes_max = 300;
    limits.secret_bytes_min = 24;
    return {.urls = {},
            .addresses = &guard(),
            .catalogue = &catalogue(),
            .allow_unknown_event_types = false,
            .header_prefix = prefix,
            .limits = limits};
}

json::string_view text(std::string const& from) { return {from.data(), from.size()}; }

void check_row(store::webhook const& row) {
    require(!row.name.empty() && row.name.find('\0') == std::string::npos);
    require(row.description.find('\0') == std::string::npos && row.disabled_note.find('\0') == std::string::npos);
    require(!row.subscribed_events.empty() && row.subscribed_events.size() <= 10);
    for (auto const& pattern : row.subscribed_events)
        require(event::is_event_pattern(pattern) && std::ranges::count(row.subscribed_events, pattern) == 1);
    require(row.headers.size() <= 5);
    for (auto const& [name, value] : row.headers) {
        require(!name.empty() && !dispatch::is_reserved_header(name, prefix));
        for (char const c : name + value)
            require(c >= 0x20 && c < 0x7f);
    }
    require(row.metadata.size() <= 300 && json::parse(text(row.metadata)).is_object());
    require(!row.max_concurrency || *row.max_concurrency >= 1);
    require(!row.max_rate_per_second || *row.max_rate_per_second >= 1);
    require(row.enabled ? row.disabled_note.empty() : true);
}

void check_target(egress::target const& to, std::string const& url) {
    require(to.url == url && to.tls && !to.host.empty() && to.port != 0);
    auto const again = egress::parse_target(url, {});
    require(again && again->url == url && again->host == to.host);
    if (to.host_is_address)
        require(guard().allows(boost::asio::ip::make_address(to.host)));
}

std::string written_again(webhook_draft const& draft) {
    auto const& row = draft.row;
    json::object out;
    out["name"] = text(row.name);
    out["url"] = text(row.url);
    out["description"] = text(row.description);
    out["enabled"] = row.enabled;
    if (!row.enabled)
        out["disabled_note"] = text(row.disabled_note);
    json::array events;
    for (auto const& e : row.subscribed_events)
        events.emplace_back(text(e));
    out["subscribed_events"] = std::move(events);
    json::object headers;
    for (auto const& [name, value] : row.headers)
        headers[text(name)] = text(value);
    out["headers"] = std::move(headers);
    if (row.max_concurrency)
        out["max_concurrency"] = *row.max_concurrency;
    if (row.max_rate_per_second)
        out["max_rate_per_second"] = *row.max_rate_per_second;
    if (draft.account_id)
        out["account_id"] = text(*draft.account_id);
    std::string written(json::serialize(out));
    written.insert(written.size() - 1, ",\"metadata\":" + row.metadata); // its numbers as they were written
    return written;
}

void check_same(store::webhook const& a, store::webhook const& b) {
    require(a.name == b.name && a.url == b.url && a.description == b.description && a.metadata == b.metadata);
    require(a.subscribed_events == b.subscribed_events && a.headers == b.headers && a.enabled == b.enabled);
    require(a.max_concurrency == b.max_concurrency && a.max_rate_per_second == b.max_rate_per_second);
    require(a.disabled_note == b.disabled_note);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const body(reinterpret_cast<char const*>(data), size);
    auto const by = rules();
    auto const created = read_webhook(body, by);
    auto const changed = read_webhook_change(body, by);
    if (auto const* wrong = std::get_if<std::string>(&created))
        require(!wrong->empty() && wrong->size() < 20'000);
    if (auto const* patch = std::get_if<webhook_patch>(&changed)) {
        require(patch->leads_to.has_value() == patch->set.url.has_value());
        if (patch->leads_to)
            check_target(*patch->leads_to, *patch->set.url);
    }
    auto const* draft = std::get_if<webhook_draft>(&created);
    if (draft == nullptr)
        return 0;
    check_row(draft->row);
    check_target(draft->leads_to, draft->row.url);
    require(!draft->account_id || (!draft->account_id->empty() && draft->account_id->find('\0') == std::string::npos));
    auto const again = read_webhook(written_again(*draft), by);
    require(std::holds_alternative<webhook_draft>(again));
    check_same(std::get<webhook_draft>(again).row, draft->row);
    // A change by the same body, where it is one, comes to the same.
    if (auto const* patch = std::get_if<webhook_patch>(&changed)) {
        require(patch->set.name == draft->row.name && patch->set.url == draft->row.url);
        require(patch->set.subscribed_events == draft->row.subscribed_events);
    }
    return 0;
}
