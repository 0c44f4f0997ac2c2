#pragma once

#include "klen/webhooks/store/api_store.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

namespace klen::webhooks::testing_support {

/// Webhooks and events in memory, with the same rule about accounts as the real one.
class fake_api_store : public store::api_store {
  public:
    task<result<store::webhook>> create_webhook(store::webhook w, store::sealed_secret secret) override {
        std::lock_guard lock(mutex);
        if (fails)
            co_return *fails;
        w.created_at = w.updated_at = wall_time(std::chrono::seconds(1'772'443'121));
        w.secrets = {std::move(secret)};
        webhooks.push_back(w);
        co_return w;
    }

    task<result<store::page_of<store::webhook>>> list_webhooks(std::string account_id,
                                                               store::page_request page) override {
        std::lock_guard lock(mutex);
        if (fails)
            co_return *fails;
        std::vector<store::webhook> own;
        std::ranges::copy_if(webhooks, std::back_inserter(own),
                             [&](auto const& w) { return w.account_id == account_id && !w.deleted; });
        store::page_of<store::webhook> out;
        out.count = own.size();
        std::size_t const first = std::min<std::size_t>(std::size_t{page.page - 1} * page.limit, own.size());
        for (std::size_t i = first; i < std::min<std::size_t>(first + page.limit, own.size()); ++i)
            out.items.push_back(own[i]);
        co_return out;
    }

    task<result<store::webhook>> show_webhook(std::string account_id, webhook_id id) override {
        std::lock_guard lock(mutex);
        if (fails)
            co_return *fails;
        auto* found = find(account_id, id);
        if (found == nullptr)
            co_return failure{fault::not_found, "no such webhook"};
        co_return *found;
    }

    task<result<void>> delete_webhook(std::string account_id, webhook_id id) override {
        std::lock_guard lock(mutex);
        auto* found = fails ? nullptr : find(account_id, id);
        if (found != nullptr)
            found->deleted = true;
        co_return found != nullptr ? done() : failed(fails.value_or(failure{fault::not_found, "no such webhook"}));
    }

    task<result<store::event_row>> show_event(std::string account_id, event_id id) override {
        std::lock_guard lock(mutex);
        if (fails)
            co_return *fails;
        for (auto const& e : events)
            if (e.id == id && e.account_id == account_id)
                co_return e;
        co_return failure{fault::not_found, "no such event"};
    }

    task<result<store::api_key_row>> create_api_key(store::api_key_row key) override { co_return key; }
    task<result<std::vector<store::api_key_row>>> list_api_keys() override {
        co_return std::vector<store::api_key_row>();
    }
    task<result<store::changes>> changes_since(std::string) override { co_return store::changes(); }
    task<result<std::vector<std::string>>> event_types() override { co_return std::vector<std::string>(); }
    task<result<void>> ping() override {
        std::lock_guard lock(mutex);
        co_return fails ? failed(*fails) : done();
    }
    task<result<std::vector<std::string>>> maintain(hours, hours) override { co_return std::vector<std::string>(); }

    std::mutex mutex;
    std::vector<store::webhook> webhooks;
    std::vector<store::event_row> events;
    std::optional<failure> fails; ///< what every call answers

  private:
    // Out of line: with a sanitizer, g++ 12 takes the failure of a result<void> for uninitialised when it sees both.
    [[gnu::noinline]] static result<void> done() { return {}; }
    [[gnu::noinline]] static result<void> failed(failure why) { return why; }

    store::webhook* find(std::string const& account_id, webhook_id id) {
        auto const found = std::ranges::find_if(
            webhooks, [&](auto const& w) { return w.id == id && w.account_id == account_id && !w.deleted; });
        return found == webhooks.end() ? nullptr : &*found;
    }
};

} // namespace klen::webhooks::testing_support
