#pragma once

#include "app/api_client.hpp"
#include "app/commands/commands.hpp"
#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/result.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How the arguments of a command become a call of the API. Nothing here talks to anybody. An error is the user's: a
/// message that names the option.
namespace klen::webhooks::app {

struct api_request {
    std::string method = "GET";
    std::string path; ///< encoded, begins with "/"
    std::vector<std::pair<std::string, std::string>> query;
    std::string body;
    std::string idempotency_key;

    /// Leaves out what is empty.
    api_request& ask(std::string name, std::string value);
    /// Path and query as they are sent.
    std::string target() const;
};

/// What carries a request out.
using api_caller = std::function<result<api_answer>(api_request const&)>;

/// "/api/v1/webhooks", id, "/enable" → the path with the id encoded.
std::string path_of(std::string_view collection, std::string_view id, std::string_view rest = {});

/// `method` `path` for the account in `api`, with its idempotency key.
api_request request_for(api_options const& api, std::string method, std::string path, std::string body = {});

result<api_request> webhook_create_request(api_options const& api, webhook_create_options const& what,
                                           std::string const& own_secret);
result<api_request> webhook_list_request(api_options const& api, webhook_list_options const& what);
result<api_request> webhook_update_request(api_options const& api, std::string const& id, webhook_fields const& what);
api_request webhook_disable_request(api_options const& api, std::string const& id, std::string const& note);
api_request rotate_secret_request(api_options const& api, secret_rotate_options const& what,
                                  std::string const& own_secret);
api_request webhook_test_request(api_options const& api, std::string const& id, std::string const& event_type);
result<api_request> recover_request(api_options const& api, recover_options const& what, wall_time now);
api_request jobs_request(api_options const& api, std::string const& webhook, std::uint32_t limit);
result<api_request> delivery_list_request(api_options const& api, delivery_list_options const& what, wall_time now);
/// Of one thing that is shown with a part of a list.
api_request show_request(api_options const& api, std::string path, paging_options const& part);
result<api_request> event_list_request(api_options const& api, event_list_options const& what, wall_time now);
api_request event_type_list_request(api_options const& api, paging_options const& paging);
/// `create` or else update. `sample`: JSON text, empty: none.
result<api_request> event_type_request(api_options const& api, event_type_fields const& what, std::string const& sample,
                                       bool create);
api_request key_create_request(api_options const& api, key_create_options const& what);
api_request key_list_request(api_options const& api, paging_options const& paging);

} // namespace klen::webhooks::app
