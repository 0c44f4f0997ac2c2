#include "app/views/views.hpp"

#include "app/json_text.hpp"

namespace klen::webhooks::app {

namespace json = boost::json;

list_view event_list_view() {
    return {
        "events", {{"ID"}, {"EVENT TYPE", false, 10}, {"ACCEPTED"}, {"ACCOUNT", false, 8}}, [](json::value const& e) {
            return std::vector<std::string>{text_member(e, "id"), text_member(e, "event_type"),
                                            time_member(e, "accepted_at"), text_member(e, "account_id")};
        }};
}

std::string event_text(json_answer const& event) {
    auto const& e = event.value;
    text_block block;
    block.add("id", text_member(e, "id"))
        .add("account", text_member(e, "account_id"))
        .add("event type", text_member(e, "event_type"))
        .add("accepted", time_member(e, "accepted_at"));
    auto out = block.take() + "body:\n" + body_lines(member_of(event.text, "body"), {}, "  ");
    auto const& deliveries = member(e, "deliveries");
    if (!deliveries.is_array() || deliveries.as_array().empty())
        return out + "deliveries: none\n";
    for (auto const& d : deliveries.as_array()) {
        text_block one("  ");
        one.add("webhook", text_member(d, "webhook_id"))
            .add("status", text_member(d, "status"))
            .add("attempts made", text_member(d, "attempts_made"))
            .add_unless_empty("next attempt", time_member(d, "next_attempt_at"));
        out += "delivery " + terminal_safe(text_member(d, "id"), 64) + ":\n" + one.take() +
               attempts_table(member(d, "attempts"), "  ");
    }
    return out + next_part_text(e, "more deliveries");
}

list_view event_type_list_view() {
    return {"event_types",
            {{"EVENT TYPE"}, {"BUILT IN"}, {"SAMPLE"}, {"DESCRIPTION", false, 20}},
            [](json::value const& t) {
                return std::vector<std::string>{text_member(t, "event_type"), text_member(t, "built_in"),
                                                member(t, "sample").is_null() ? "no" : "yes",
                                                text_member(t, "description")};
            }};
}

std::string event_type_text(json_answer const& type) {
    auto const& t = type.value;
    text_block out;
    out.add("event type", text_member(t, "event_type"))
        .add("description", text_member(t, "description"))
        .add("built in", text_member(t, "built_in"))
        .add_unless_empty("created", time_member(t, "created_at"));
    return out.take() + "sample:\n" + body_lines(member_of(type.text, "sample"), {}, "  ");
}

list_view job_list_view() {
    return {"jobs",
            {{"ID"},
             {"KIND"},
             {"STATE"},
             {"EXAMINED", true, 0},
             {"CHANGED", true, 0},
             {"SINCE"},
             {"UNTIL"},
             {"CREATED"},
             {"FINISHED"},
             {"MESSAGE", false, 12}},
            [](json::value const& j) {
                return std::vector<std::string>{text_member(j, "id"),          text_member(j, "kind"),
                                                text_member(j, "state"),       text_member(j, "examined"),
                                                text_member(j, "changed"),     time_member(j, "since"),
                                                time_member(j, "until"),       time_member(j, "created_at"),
                                                time_member(j, "finished_at"), text_member(j, "message")};
            }};
}

std::string job_text(json_answer const& job) {
    auto const& j = job.value;
    text_block out;
    out.add("job", text_member(j, "id"))
        .add("webhook", text_member(j, "webhook_id"))
        .add("kind", text_member(j, "kind"))
        .add("state", text_member(j, "state"))
        .add_unless_empty("because", text_member(j, "message"))
        .add_unless_empty("since", time_member(j, "since"))
        .add_unless_empty("until", time_member(j, "until"));
    if (is_true(j, "never_attempted"))
        out.add("never attempted", "included");
    out.add("looked at", text_member(j, "examined"))
        .add("changed", text_member(j, "changed"))
        .add("created", time_member(j, "created_at"))
        .add_unless_empty("finished", time_member(j, "finished_at"));
    return out.take();
}

} // namespace klen::webhooks::app
