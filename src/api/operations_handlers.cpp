#include "json_writer.hpp"
#include "routes.hpp"

#include <string_view>
#include <utility>
#include <vector>

namespace klen::webhooks::api {

namespace {

response text_response(int status, std::string body) {
    response out;
    out.status = status;
    out.body = std::move(body);
    out.content_type = "text/plain; charset=utf-8";
    return out;
}

/// Asks nothing outside the process: a daemon whose database is gone must not be killed for it, because it holds what
/// is still to be written.
task<response> live(services const* with, request, caller) {
    auto const hung = with->hung ? with->hung() : std::string();
    co_return hung.empty() ? text_response(200, "ok\n") : text_response(503, "threads hang: " + hung + '\n');
}

struct check {
    std::string_view name;
    std::string problem; ///< empty: passed
};

response verbose_response(int status, std::vector<check> const& checks) {
    json_writer out;
    out.begin_object().member("status", status == 200 ? "ready" : "not ready");
    out.key("checks").begin_object();
    for (auto const& c : checks)
        out.member(c.name, c.problem.empty() ? "ok" : std::string_view(c.problem));
    out.end_object().end_object();
    return {.status = status, .body = out.take(), .headers = {}};
}

task<response> ready(services const* with, request what, caller) {
    auto const database = co_await with->store->ping();
    std::vector<check> checks;
    checks.push_back({"database", database ? "" : "does not answer"});
    bool const draining = with->draining(); // its heartbeats end with it, which is no fault
    bool const dispatching = draining || with->alive();
    checks.push_back({"dispatch", dispatching ? "" : "no committed heartbeat, or a thread does not answer"});
    checks.push_back({"lifecycle", draining ? "shutting down" : ""});
    int status = 200;
    for (auto const& c : checks)
        status = c.problem.empty() ? status : 503;
    if (what.query_value("verbose"))
        co_return verbose_response(status, checks);
    co_return text_response(status, status == 200 ? "ready\n" : "not ready; ?verbose says why\n");
}

task<response> metrics(services const* with, request, caller) {
    response out;
    out.body = with->metrics();
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    co_return out;
}

} // namespace

std::vector<route> operations_routes(services const& with) {
    auto const shared = std::make_shared<services const>(with);
    std::vector<route> out;
    call_rules const lenient{
        .for_account = false, .any_query = true, .frequent = true}; // probes come with what they like
    for (char const* path : {"/livez", "/healthz"})
        out.push_back(make_route(shared, method::get, path, "", live, lenient));
    out.push_back(make_route(shared, method::get, "/readyz", "", ready, lenient));
    out.push_back(make_route(shared, method::get, "/metrics", "", metrics, lenient));
    return out;
}

} // namespace klen::webhooks::api
