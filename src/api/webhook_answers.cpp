#include "webhook_answers.hpp"

namespace klen::webhooks::api {

void write_webhook(json_writer& out, store::webhook const& w) {
    out.member("id", w.id.text())
        .member("account_id", w.account_id)
        .member("name", w.name)
        .member("url", w.url)
        .member("description", w.description)
        .member("subscribed_events", w.subscribed_events);
    out.key("headers").begin_object();
    for (auto const& [name, value] : w.headers)
        out.member(name, value);
    out.end_object();
    out.key("metadata").raw(w.metadata);
    out.member("enabled", w.enabled)
        .member_or_null("disabled_reason", w.disabled_reason)
        .member_or_null("disabled_note", w.disabled_note)
        .member("disabled_at", w.disabled_at)
        .member("failing_since", w.failing_since)
        .member("max_concurrency", w.max_concurrency)
        .member("max_rate_per_second", w.max_rate_per_second)
        .member("created_at", w.created_at)
        .member("updated_at", w.updated_at);
}

response webhook_response(store::webhook const& w) {
    json_writer out;
    out.begin_object();
    write_webhook(out, w);
    out.end_object();
    return {.status = 200, .body = out.take(), .headers = {}};
}

} // namespace klen::webhooks::api
