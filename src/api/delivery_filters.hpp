#pragma once

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <variant>

/// What the query of a list says about which deliveries and events it shows. Pure.
namespace klen::webhooks::api {

/// `?cursor=&limit=&status=&event_type=&error_class=&since=&until=`
std::variant<store::delivery_filter, response> delivery_filter_of(request const& what);
/// `?cursor=&limit=&event_type=&since=&until=`
std::variant<store::event_filter, response> event_filter_of(request const& what);

} // namespace klen::webhooks::api
