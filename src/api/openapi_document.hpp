#pragma once

#include <string>
#include <string_view>

namespace klen::webhooks::api {

/// The OpenAPI document as it was put together from src/api/openapi/ (embed_openapi.cmake): readable JSON.
std::string_view openapi_source();

/// The same in the compact form that is served.
std::string const& openapi_document();

} // namespace klen::webhooks::api
