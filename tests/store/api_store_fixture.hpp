#pragma once

#include "klen/webhooks/store/api_store.hpp"

#include "store/store_support.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

/// What the tests of api_store share.
namespace klen::webhooks::test {

class api_store_fixture : public testing::Test {
  protected:
    api_store_fixture() : api(store::make_api_store(db.options(), 2)) {}

    static store::webhook sample(std::string const& account) {
        store::webhook out;
        out.account_id = account;
        out.name = "name \"quoted\"";
        out.url = "https://example.com/hook";
        out.description = "description";
        out.subscribed_events = {"call.*", "calendar.created"};
        out.headers = {{"X-B", "2"}, {"X-A", "a,\"b\"{}\\"}};
        out.metadata = "{\"k\": [1, 2.50]}";
        out.max_concurrency = 7;
        return out;
    }
    static store::sealed_secret sealed(std::string const& key_id = "k1") {
        return {make_id<secret_id>(), {1, 2, 0, 255}, key_id, {}, std::nullopt};
    }
    store::webhook create(std::string const& account) { return create(sample(account)); }
    store::webhook create(store::webhook what) { return run(api->create_webhook(std::move(what), sealed())).value(); }
    store::webhook change(store::webhook const& what, store::webhook_change with) {
        return run(api->change_webhook(what.account_id, what.id, std::move(with))).value();
    }

    test_database db;
    std::unique_ptr<store::api_store> api;
};

/// What `what(0)`, `what(1)`, … answer, each run by a thread of its own at the same time.
template <class F>
auto at_once(int threads, F what) {
    using answer = decltype(what(0));
    std::vector<std::optional<answer>> out(static_cast<std::size_t>(threads));
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i)
        running.emplace_back([&, i] { out[static_cast<std::size_t>(i)].emplace(what(i)); });
    for (auto& thread : running)
        thread.join();
    return out;
}

} // namespace klen::webhooks::test
