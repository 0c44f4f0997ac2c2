#include "event_samples.hpp"

#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <algorithm>

namespace klen::webhooks::api {

std::string_view built_in_sample(std::string_view event_type) {
    for (auto const& types : {event::built_in_event_types(), event::operational_event_types()}) {
        auto const found = std::ranges::find(types, event_type, &event::catalogue_entry::event_type);
        if (found != types.end())
            return found->sample;
    }
    return {};
}

std::string sample_of_payload(std::string_view event_type, std::string_view payload) {
    std::string out = R"({"account_id":)";
    event::append_json_string(out, sample_account);
    out += R"(,"event_type":)";
    event::append_json_string(out, event_type);
    return out.append(R"(,"payload":)").append(payload).append("}");
}

std::string payload_of_sample(std::string_view sample) {
    auto read = event::parse_publish_request(sample, {});
    auto* request = std::get_if<event::publish_request>(&read);
    return request == nullptr ? std::string() : std::move(request->payload);
}

} // namespace klen::webhooks::api
