#pragma once

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/base/result.hpp"

#include <string_view>

/// The error answers of the contract, one function a kind.
namespace klen::webhooks::api {

response validation_error(std::string_view message); ///< 400
/// 401
response
authentication_required(std::string_view message = "send a key: Authorization: Bearer klen_…, or X-API-Key: klen_…");
response invalid_key();                                                          ///< 401
response permission_denied(std::string_view message);                            ///< 403
response not_found(std::string_view message);                                    ///< 404
response method_not_allowed(std::string_view allow, std::string_view hint = {}); ///< 405
response payload_too_large(std::string_view message);                            ///< 413
response unsupported_media_type(std::string_view message);                       ///< 415
response rate_limit_exceeded(std::string_view message);                          ///< 429
/// 500. `cause`: for the log.
response server_error(std::string cause = {});
response unavailable(std::string_view message); ///< 503

/// What the store could not do. Its message is shown only where it was made for the caller.
response failure_response(failure const& f);
/// The same, in a call about one thing: `no_such_thing` is the sentence of its 404.
response failure_response(failure const& f, std::string_view no_such_thing);
/// What was to be done in the network for a call (a test, a look where a URL leads) is not done now; the message says
/// why.
response errand_refused(failure const& f);

} // namespace klen::webhooks::api
