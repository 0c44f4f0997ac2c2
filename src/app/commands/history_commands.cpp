#include "app/commands/commands.hpp"

#include "app/commands/api_call.hpp"
#include "app/commands/complain.hpp"
#include "app/text_input.hpp"
#include "app/views/views.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* deliveries_path = "/api/v1/deliveries";
constexpr char const* event_types_path = "/api/v1/event-types";
constexpr std::size_t sample_bytes_max = std::size_t{4} << 20;

text_function delivery_shower(bool full) {
    return [full](json_answer const& answer) { return delivery_text(answer, full, system_clock().wall()); };
}

int send_event_type(api_options const& api, event_type_fields const& what, bool create) {
    std::string sample;
    if (!what.sample_file.empty()) {
        auto read = read_json_file(what.sample_file, sample_bytes_max);
        if (read.has_error())
            return complain(exit_usage, read.error().message);
        sample = std::move(*read);
    }
    return call_and_show(api, event_type_request(api, what, sample, create), event_type_text);
}

} // namespace

// --- deliveries -----------------------------------------------------------------------------------------------------

int run_delivery_list(api_options const& api, delivery_list_options const& what) {
    return show_list(api, delivery_list_request(api, what, system_clock().wall()), what.paging,
                     delivery_list_view(!what.event.empty()));
}

int run_delivery_show(api_options const& api, std::string const& id, paging_options const& part, bool full) {
    return call_and_show(api, show_request(api, path_of(deliveries_path, id), part), delivery_shower(full));
}

int run_delivery_resend(api_options const& api, std::string const& id) {
    return call_and_show(api, request_for(api, "POST", path_of(deliveries_path, id, "/resend")),
                         delivery_shower(false));
}

int run_delivery_cancel(api_options const& api, std::string const& id) {
    return call_and_show(api, request_for(api, "POST", path_of(deliveries_path, id, "/cancel")),
                         delivery_shower(false));
}

// --- events ---------------------------------------------------------------------------------------------------------

int run_event_list(api_options const& api, event_list_options const& what) {
    return show_list(api, event_list_request(api, what, system_clock().wall()), what.paging, event_list_view());
}

int run_event_show(api_options const& api, std::string const& id, paging_options const& part) {
    return call_and_show(api, show_request(api, path_of("/api/v1/events", id), part), event_text);
}

// --- the catalogue --------------------------------------------------------------------------------------------------

int run_event_type_list(api_options const& api, paging_options const& paging) {
    return show_list(api, event_type_list_request(api, paging), paging, event_type_list_view());
}

int run_event_type_show(api_options const& api, std::string const& event_type) {
    return call_and_show(api, request_for(api, "GET", path_of(event_types_path, event_type)), event_type_text);
}

int run_event_type_create(api_options const& api, event_type_fields const& what) {
    return send_event_type(api, what, true);
}

int run_event_type_update(api_options const& api, event_type_fields const& what) {
    return send_event_type(api, what, false);
}

int run_event_type_delete(api_options const& api, std::string const& event_type) {
    return call_and_show(api, request_for(api, "DELETE", path_of(event_types_path, event_type)), message_text);
}

// --- the daemon -----------------------------------------------------------------------------------------------------

int run_whoami(api_options const& api) {
    return call_and_show(api, request_for(api, "GET", "/api/v1/whoami"), whoami_text);
}

} // namespace klen::webhooks::app
