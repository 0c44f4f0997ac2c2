#pragma once

#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include <future>
#include <vector>

namespace klen::webhooks::testing_support {

/// A handler, at /wait, that says when it was entered and waits until it is released.
struct gate {
    std::promise<void> entered;
    one_shot<bool> release;

    std::vector<api::route> routes(api::method verb = api::method::get) {
        auto wait = [this](api::request, api::caller) -> task<api::response> {
            entered.set_value();
            co_await release.wait();
            co_return api::response{.status = 200, .body = "\"late\"", .headers = {}};
        };
        auto out = sample_routes();
        out.push_back({.verb = verb, .path = "/wait", .permission = "", .handle = wait});
        return out;
    }
};

/// A server that takes one connection, which is in the middle of a call.
struct full_server {
    full_server() : server(busy.routes(), one_connection()), first(server.port()) {
        first.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
        busy.entered.get_future().wait();
    }
    raw_response end_first() {
        busy.release.set()(true);
        return first.receive();
    }

    gate busy;
    running_server server;
    raw_client first;

  private:
    static server_config one_connection() {
        auto out = running_server::quick_limits();
        out.connections_max = 1;
        return out;
    }
};

} // namespace klen::webhooks::testing_support
