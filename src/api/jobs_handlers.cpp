#include "errors.hpp"
#include "json_input.hpp"
#include "json_writer.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "webhook_answers.hpp"

namespace klen::webhooks::api {

namespace {

constexpr std::string_view no_such_job = "no such job in this account";

void write_job(json_writer& out, store::webhook_job const& job) {
    out.begin_object()
        .member("id", job.id.text())
        .member("webhook_id", job.webhook.text())
        .member("account_id", job.account_id)
        .member("kind", store::to_string(job.kind))
        .member("state", job.state)
        .member("since", job.since)
        .member("until", job.until)
        .member("never_attempted", job.never_attempted)
        .member("examined", job.examined)
        .member("changed", job.changed)
        .member_or_null("message", job.message)
        .member("created_at", job.created_at)
        .member("updated_at", job.updated_at)
        .member("finished_at", job.finished_at)
        .end_object();
}

response job_response(int status, store::webhook_job const& job) {
    json_writer out;
    write_job(out, job);
    return {.status = status, .body = out.take(), .headers = {}};
}

std::optional<wall_time> read_time(object_reader& from, std::string_view name, bool required, problem_list& problems) {
    constexpr text_rule rule{1, 64};
    auto const given = required ? from.required_text(name, rule) : from.text(name, rule);
    if (!given)
        return std::nullopt;
    auto const read = time_of_text(name, *given);
    if (auto const* at = std::get_if<wall_time>(&read))
        return *at;
    problems.add("", std::get<std::string>(read));
    return std::nullopt;
}

/// `{"since":…,"until":…,"never_attempted":…}`; the message says what is wrong.
std::variant<store::recover_request, std::string> read_recover(std::string_view json, wall_time now) {
    auto parsed = parse_json_object(json);
    if (auto* wrong = std::get_if<std::string>(&parsed))
        return std::move(*wrong);
    problem_list problems;
    object_reader in(std::get<parsed_object>(parsed).members, problems);
    store::recover_request out;
    out.since = read_time(in, "since", true, problems);
    auto const until = read_time(in, "until", false, problems);
    out.until = until.value_or(now);
    out.never_attempted = in.boolean("never_attempted").value_or(false);
    in.refuse_others();
    if (out.since && problems.empty() && *out.since >= out.until)
        problems.add("since", until ? "must be before until" : "must be in the past");
    if (!problems.empty())
        return problems.text();
    return out;
}

task<response> recover(services const* with, request what, caller who) {
    auto place = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto read = read_recover(what.body, system_clock().wall());
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto wanted = std::get<store::recover_request>(read);
    wanted.id = job_id{what.resource_id};
    auto& webhook = std::get<owned<webhook_id>>(place);
    auto const begun = co_await with->history->begin_recover(std::move(webhook.account_id), webhook.id, wanted);
    if (!begun)
        co_return failure_response(begun.error(), no_such_webhook);
    with->job_begun();
    co_return job_response(202, *begun);
}

task<response> cancel_pending(services const* with, request what, caller who) {
    auto place = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    if (auto no = refuse_body(what))
        co_return std::move(*no);
    auto& webhook = std::get<owned<webhook_id>>(place);
    auto const begun =
        co_await with->history->begin_cancel(std::move(webhook.account_id), webhook.id, job_id{what.resource_id});
    if (!begun)
        co_return failure_response(begun.error(), no_such_webhook);
    with->job_begun();
    co_return job_response(202, *begun);
}

task<response> list_jobs(services const* with, request what, caller who) {
    auto place = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto limit = limit_of_request(what);
    if (auto* no = std::get_if<response>(&limit))
        co_return std::move(*no);
    auto& webhook = std::get<owned<webhook_id>>(place);
    auto const jobs_max = std::get<std::uint32_t>(limit);
    auto const found = co_await with->history->list_jobs(std::move(webhook.account_id), webhook.id, jobs_max);
    if (!found)
        co_return failure_response(found.error(), no_such_webhook);
    json_writer out;
    out.begin_object().member("limit", jobs_max);
    out.key("jobs").begin_array();
    for (auto const& job : *found)
        write_job(out, job);
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

task<response> show_job(services const* with, request what, caller who) {
    auto place = owned_of<job_id>(what, who, no_such_job);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto& which = std::get<owned<job_id>>(place);
    auto const found = co_await with->history->show_job(std::move(which.account_id), which.id);
    if (!found)
        co_return failure_response(found.error(), no_such_job);
    co_return job_response(200, *found);
}

} // namespace

void add_job_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(
        make_route(with, method::post, "/api/v1/webhooks/{id}/recover", "manage_webhooks", recover, {.creates = true}));
    out.push_back(make_route(with, method::post, "/api/v1/webhooks/{id}/cancel-pending", "manage_webhooks",
                             cancel_pending, {.creates = true}));
    out.push_back(make_route(with, method::get, "/api/v1/webhooks/{id}/jobs", "read", list_jobs, {.query = {"limit"}}));
    out.push_back(make_route(with, method::get, "/api/v1/jobs/{id}", "read", show_job));
}

} // namespace klen::webhooks::api
