#include "klen/webhooks/event/event_types.hpp"

#include "event_samples.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <algorithm>
#include <iterator>

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
};

std::string_view description_of(std::string_view event_type) {
    auto const found = std::ranges::find(descriptions, event_type, [](auto const& entry) { return entry.first; });
    if (found == std::end(descriptions))
        bug("a built-in event type has no description");
    return found->second;
}

std::vector<catalogue_entry> make_catalogue() {
    std::vector<catalogue_entry> out;
    out.reserve(std::size(samples));
    for (auto const& [event_type, text] : samples) {
        catalogue_entry entry{std::string(event_type), std::string(description_of(event_type)), {}};
        if (canonical_json(text, {}, entry.sample))
            bug("a built-in sample is not JSON");
        out.push_back(std::move(entry));
    }
    return out;
}

} // namespace

std::span<catalogue_entry const> built_in_event_types() {
    static std::vector<catalogue_entry> const catalogue = make_catalogue();
    return catalogue;
}

} // namespace klen::webhooks::event
