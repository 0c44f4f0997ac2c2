#include "klen/webhooks/dispatch/test_sender.hpp"

#include "dispatch/delivery_profile.hpp"
#include "dispatch/request_headers.hpp"

#include <utility>

namespace klen::webhooks::dispatch {

namespace {

policy::attempt_result not_sent(policy::error_class why, std::string message) {
    policy::attempt_result out;
    out.error = why;
    out.message = std::move(message);
    return out;
}

signed_message message_of(accepted_event const& event, delivery_id id, std::int64_t signed_at) {
    signed_message out;
    out.delivery = id;
    out.event_type = event.event_type;
    out.traceparent = event.traceparent;
    out.body = event.body;
    out.signed_at = signed_at;
    return out;
}

/// Lets everything pass that has ever passed: the attempt was made.
egress::url_policy judged_before() {
    egress::url_policy out;
    out.allow_http = true;
    out.allow_local_names = true;
    out.any_port = true;
    return out;
}

} // namespace

task<test_outcome> send_test(test_environment with, test_request what) {
    test_outcome out;
    out.id = make_id<delivery_id>();
    profile_maker const profiles{with.seals, with.urls, with.delivery->header_prefix, with.delivery->user_agent, 1};
    auto const made = profiles.make(what.to);
    if (!made) {
        out.result = not_sent(policy::error_class::local_failure,
                              "The webhook's secret cannot be used here: " + made.error().message + ".");
        co_return out;
    }
    auto const& profile = **made;
    if (!profile.to) {
        out.result = not_sent(policy::error_class::url_not_allowed, profile.refused);
        co_return out;
    }
    auto const message = message_of(what.event, out.id, unix_seconds(with.time->wall()));
    auto const headers = signed_headers(profile.headers, (*made)->signer, message);
    out.request_headers = egress::framing_lines(*profile.to, what.event.body.size()) + headers;
    egress::post_request request;
    request.to = &*profile.to;
    request.account_id = what.to.account_id;
    request.headers = headers;
    request.body = what.event.body;
    request.deadline = with.time->steady() + with.delivery->attempt_timeout;
    out.result = co_await with.client->post(request);
    co_return out;
}

result<std::string> written_again(store::request_origin const& origin, store::attempt_row const& attempt,
                                  store::delivery_row const& of, store::event_row const& event,
                                  signing::sealer const& seals) {
    if (attempt.signed_at == 0)
        return std::string();
    auto const secrets = open_secrets(origin.secrets, of.account_id, seals);
    if (!secrets)
        return secrets.error();
    auto const to = egress::parse_target(origin.url, judged_before());
    if (!to)
        return failure{fault::corrupt, "a URL that was sent to is none"};
    header_template const lines(origin.header_prefix, origin.user_agent, origin.headers);
    signing::webhook_signer signer(*secrets);
    signed_message message;
    message.delivery = of.id;
    message.event_type = event.event_type;
    message.traceparent = event.traceparent;
    message.body = event.body;
    message.attempt = attempt.attempt;
    message.signed_at = attempt.signed_at;
    return egress::framing_lines(*to, event.body.size()) + signed_headers(lines, signer, message);
}

} // namespace klen::webhooks::dispatch
