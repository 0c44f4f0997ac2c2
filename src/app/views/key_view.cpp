#include "app/views/views.hpp"

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

std::string owner_of(json::value const& key) {
    return is_true(key, "platform") ? "platform" : "account " + text_member(key, "account_id");
}

} // namespace

list_view key_list_view() {
    return {"keys",
            {{"ID"},
             {"HINT"},
             {"FOR", false, 10},
             {"PERMISSIONS", false, 12},
             {"NAME", false, 8},
             {"LIMIT/S", true, 0},
             {"LAST USED"},
             {"REVOKED"}},
            [](json::value const& k) {
                return std::vector<std::string>{text_member(k, "id"),
                                                text_member(k, "hint"),
                                                owner_of(k),
                                                joined_member(k, "permissions"),
                                                text_member(k, "name"),
                                                text_member(k, "max_requests_per_second"),
                                                time_member(k, "last_used_at"),
                                                time_member(k, "revoked_at")};
            }};
}

std::string key_text(json_answer const& key) {
    auto const& k = key.value;
    text_block out;
    out.add("id", text_member(k, "id"))
        .add("name", text_member(k, "name"))
        .add("hint", text_member(k, "hint"))
        .add("for", owner_of(k))
        .add("permissions", joined_member(k, "permissions"))
        .add_unless_empty("requests a second", text_member(k, "max_requests_per_second"))
        .add("created", time_member(k, "created_at"))
        .add("last used", time_member(k, "last_used_at"))
        .add_unless_empty("revoked", time_member(k, "revoked_at"));
    return out.take();
}

std::string whoami_text(json_answer const& caller) {
    text_block out;
    out.add("key", text_member(caller.value, "key_id"))
        .add("for", owner_of(caller.value))
        .add("permissions", joined_member(caller.value, "permissions"));
    return out.take();
}

} // namespace klen::webhooks::app
