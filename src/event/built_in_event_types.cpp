#include "klen/webhooks/event/event_types.hpp"

#include "event_samples.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace klen::webhooks::event {

namespace {

constexpr std::pair<std::string_view, std::string_view> descriptions[] = {
    {"call.started", "A call was connected and the conversation began."},
    {"call.ended", "A call came to its end; duration and summary are known."},
    {"call.failed", "A call could not be connected or broke off; failure_reason says why."},
    {"call.transcript", "The transcript of a call is complete."},
    {"call.recording", "The recording of a call can be fetched from recording_url."},
    {"call.summary", "The summary of a call, with its sentiment and topics, is ready."},
    {"calendar.created", "A calendar event was booked."},
    {"calendar.updated", "A calendar event was changed; time_changed tells whether it moved."},
    {"calendar.cancelled", "A calendar event was cancelled; cancellation_reason says why."},
    {"calendar.completed", "A calendar event took place."},
    {"calendar.reminder", "A calendar event begins in remind_before_minutes minutes."},
    {"webhook.disabled", "A webhook was disabled by the service: its receiver is gone, or has failed for too long."},
    {"webhook.failing", "Every attempt to reach a webhook has failed for a while."},
    {"delivery.exhausted", "A delivery has failed with its last attempt."},
};

std::string_view description_of(std::string_view event_type) {
    auto const found = std::ranges::find(descriptions, event_type, [](auto const& entry) { return entry.first; });
    if (found == std::end(descriptions))
        bug("a built-in event type has no description");
    return found->second;
}

using sample = std::pair<std::string_view, std::string_view>;

std::vector<catalogue_entry> make_catalogue(std::span<sample const> from) {
    std::vector<catalogue_entry> out;
    out.reserve(from.size());
    for (auto const& [event_type, text] : from) {
        catalogue_entry entry{std::string(event_type), std::string(description_of(event_type)), {}};
        if (canonical_json(text, {}, entry.sample))
            bug("a built-in sample is not JSON");
        out.push_back(std::move(entry));
    }
    return out;
}

using payloads = std::map<std::string, std::string, std::less<>>;

void add_payloads(payloads& to, std::span<sample const> from) {
    for (auto const& [event_type, text] : from) {
        auto parsed = parse_publish_request(text, {});
        auto* const request = std::get_if<publish_request>(&parsed);
        if (request == nullptr)
            bug("a built-in sample is not a publish request");
        to.emplace(event_type, std::move(request->payload));
    }
}

payloads make_payloads() {
    payloads out;
    add_payloads(out, samples);
    add_payloads(out, operational_samples);
    add_payloads(out, test_samples);
    return out;
}

} // namespace

std::span<catalogue_entry const> built_in_event_types() {
    static std::vector<catalogue_entry> const catalogue = make_catalogue(samples);
    return catalogue;
}

std::span<catalogue_entry const> operational_event_types() {
    static std::vector<catalogue_entry> const catalogue = make_catalogue(operational_samples);
    return catalogue;
}

bool is_operational_type(std::string_view event_type) {
    return std::ranges::find(operational_samples, event_type, &sample::first) != std::end(operational_samples);
}

std::optional<std::string_view> sample_of(std::string_view event_type) {
    static payloads const all = make_payloads();
    auto const found = all.find(event_type);
    if (found == all.end())
        return std::nullopt;
    return found->second;
}

} // namespace klen::webhooks::event
