#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/event/event.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/types.hpp"

#include <string>

namespace klen::webhooks::dispatch {

/// One POST that belongs to no delivery.
struct test_request {
    store::webhook to; ///< with its secrets; enabled or not
    accepted_event event;
};

struct test_outcome {
    delivery_id id;              ///< made for this POST alone
    std::string request_headers; ///< header lines as sent, each with CRLF, Host and Content-Length first
    policy::attempt_result result;
};

/// What a test is sent with. All of it outlives the call.
struct test_environment {
    egress::http_client* client = nullptr; ///< used on the executor of the coroutine
    signing::sealer const* seals = nullptr;
    clock const* time = nullptr;
    egress::url_policy urls;
    delivery_config const* delivery = nullptr;
};

/// Signs and sends it through the same client and with the same headers and deadline as a delivery, at once, beside
/// the webhook's lane. Nothing is recorded. A URL or secret that cannot be used is an outcome as well.
task<test_outcome> send_test(test_environment with, test_request what);

/// The header lines of a recorded attempt, written again as they were sent (each with CRLF, Host and Content-Length
/// first); empty when nothing was sent. Fails (`corrupt`) when a secret cannot be opened.
result<std::string> written_again(store::request_origin const& origin, store::attempt_row const& attempt,
                                  store::delivery_row const& of, store::event_row const& event,
                                  signing::sealer const& seals);

} // namespace klen::webhooks::dispatch
