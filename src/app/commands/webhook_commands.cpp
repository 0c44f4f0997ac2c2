#include "app/commands/commands.hpp"

#include "app/commands/api_call.hpp"
#include "app/commands/complain.hpp"
#include "app/commands/secret_output.hpp"
#include "app/json_text.hpp"
#include "app/views/views.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* webhooks_path = "/api/v1/webhooks";

int show_webhook(api_options const& api, result<api_request> const& request) {
    return call_and_show(api, request, webhook_text);
}

/// Calls what answers with a "secret" and puts that where it was asked for. `text`: everything else, for people.
int call_for_secret(api_options const& api, result<api_request> const& request, secret_target const& into,
                    std::function<std::string(json_answer const&, bool)> const& text) {
    if (auto writable = check_secret_file(into); writable.has_error())
        return complain(exit_failed, writable.error().message);
    auto const done = call_or_complain(api, request);
    if (!done.answer)
        return done.code;
    auto const secret = text_member(done.answer->value, "secret");
    if (into.file.empty()) {
        std::cout << (api.json ? done.raw + "\n" : text(*done.answer, true));
        return exit_ok;
    }
    auto const kept = keep_secret(into.file, secret, "`klen-webhooks webhook secret` shows it");
    std::cout << (api.json ? without_secret(done.raw, secret) + "\n" : text(*done.answer, false));
    if (kept.has_error())
        return complain(exit_failed, kept.error().message);
    if (!api.json)
        std::cout << "its secret is in " << terminal_safe(into.file, 4096) << '\n';
    return exit_ok;
}

std::string secret_line(json_answer const& answer) {
    return "secret  " + terminal_safe(text_member(answer.value, "secret"), 256) + "\n";
}

std::string created_text(json_answer const& answer, bool with_secret) {
    return "webhook " + terminal_safe(text_member(answer.value, "id"), 64) + "\n" +
           (with_secret ? secret_line(answer) : std::string());
}

std::string rotated_text(json_answer const& answer, bool with_secret) {
    auto const until = time_member(answer.value, "previous_expires_at");
    return (with_secret ? secret_line(answer) : std::string()) + "the one before " +
           (until.empty() ? std::string("no longer signs") : "signs until " + terminal_safe(until, 64)) + "\n";
}

} // namespace

int run_webhook_create(api_options const& api, webhook_create_options const& what) {
    auto const secret = own_secret(what.use_secret_file);
    if (secret.has_error())
        return complain(exit_usage, secret.error().message);
    return call_for_secret(api, webhook_create_request(api, what, *secret), what.into, created_text);
}

int run_webhook_list(api_options const& api, webhook_list_options const& what) {
    return show_list(api, webhook_list_request(api, what), what.paging, webhook_list_view());
}

int run_webhook_show(api_options const& api, std::string const& id) {
    return show_webhook(api, request_for(api, "GET", path_of(webhooks_path, id)));
}

int run_webhook_update(api_options const& api, std::string const& id, webhook_fields const& what) {
    return show_webhook(api, webhook_update_request(api, id, what));
}

int run_webhook_enable(api_options const& api, std::string const& id) {
    return show_webhook(api, request_for(api, "POST", path_of(webhooks_path, id, "/enable")));
}

int run_webhook_disable(api_options const& api, std::string const& id, std::string const& note) {
    return show_webhook(api, webhook_disable_request(api, id, note));
}

int run_webhook_delete(api_options const& api, std::string const& id) {
    return call_and_show(api, request_for(api, "DELETE", path_of(webhooks_path, id)), message_text);
}

int run_webhook_secret(api_options const& api, std::string const& id, secret_target const& into) {
    if (auto writable = check_secret_file(into); writable.has_error())
        return complain(exit_failed, writable.error().message);
    auto const done = call_or_complain(api, request_for(api, "GET", path_of(webhooks_path, id, "/secret")));
    if (!done.answer)
        return done.code;
    bool const shown = into.file.empty();
    if (!shown)
        if (auto kept = keep_secret(into.file, text_member(done.answer->value, "secret"), "nothing was changed");
            kept.has_error())
            return complain(exit_failed, kept.error().message);
    auto raw = done.raw;
    if (auto const& all = member(done.answer->value, "secrets"); !shown && all.is_array())
        for (auto const& one : all.as_array())
            raw = without_secret(std::move(raw), text_member(one, "secret"));
    std::cout << (api.json ? raw + "\n" : secrets_text(*done.answer, shown));
    if (!shown && !api.json)
        std::cout << "the newest is in " << terminal_safe(into.file, 4096) << '\n';
    return exit_ok;
}

int run_webhook_rotate_secret(api_options const& api, secret_rotate_options const& what) {
    auto const secret = own_secret(what.use_secret_file);
    if (secret.has_error())
        return complain(exit_usage, secret.error().message);
    return call_for_secret(api, rotate_secret_request(api, what, *secret), what.into, rotated_text);
}

int run_webhook_test(api_options const& api, std::string const& id, std::string const& event_type) {
    auto const done = call_or_complain(api, webhook_test_request(api, id, event_type));
    if (!done.answer)
        return done.code;
    std::cout << (api.json ? done.raw + "\n" : test_text(*done.answer));
    return is_true(done.answer->value, "delivered") ? int{exit_ok}
                                                    : complain(exit_failed, "the sample was not delivered");
}

int run_webhook_recover(api_options const& api, recover_options const& what) {
    return show_job(api, recover_request(api, what, system_clock().wall()), what.wait);
}

int run_webhook_cancel_pending(api_options const& api, std::string const& id, bool wait) {
    return show_job(api, request_for(api, "POST", path_of(webhooks_path, id, "/cancel-pending")), wait);
}

int run_webhook_jobs(api_options const& api, std::string const& id, std::uint32_t limit) {
    return show_list(api, jobs_request(api, id, limit), {}, job_list_view());
}

int run_job_show(api_options const& api, std::string const& id, bool wait) {
    return show_job(api, request_for(api, "GET", path_of("/api/v1/jobs", id)), wait);
}

} // namespace klen::webhooks::app
