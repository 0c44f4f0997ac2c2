#pragma once

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

} // namespace klen::webhooks::testing_support
