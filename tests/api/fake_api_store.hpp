#pragma once

#include "klen/webhooks/store/api_store.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace klen::webhooks::testing_support {

/// A store of which nothing but its faults matters: every call answers `fails`, or something empty.
class fake_api_store : public store::api_store {
  public:
    using webhook = store::webhook;
    using api_key_row = store::api_key_row;

    task<result<webhook>> create_webhook(webhook w, store::sealed_secret secret, std::uint32_t) override {
        w.secrets = {std::move(secret)};
        return answer(std::move(w));
    }
    task<result<store::page_of<webhook>>> list_webhooks(store::webhook_filter, store::page_request) override {
        return answer(store::page_of<webhook>());
    }
    task<result<webhook>> show_webhook(std::string, webhook_id) override { return answer(webhook()); }
    task<result<webhook>> change_webhook(std::string, webhook_id, store::webhook_change) override {
        return answer(webhook());
    }
    task<result<void>> delete_webhook(std::string, webhook_id) override { return answer_nothing(); }

    task<result<webhook>> show_secrets(std::string, webhook_id) override { return answer(webhook()); }
    task<result<webhook>> rotate_secret(std::string, webhook_id, store::sealed_secret, seconds) override {
        return answer(webhook());
    }
    task<result<reseal_step>> reseal_secrets(
        secret_id, std::uint32_t, std::string,
        std::function<result<store::sealed_secret>(store::sealed_secret const&, std::string const&)>) override {
        return answer(reseal_step());
    }

    task<result<api_key_row>> create_api_key(api_key_row key, std::uint32_t) override { return answer(std::move(key)); }
    task<result<std::vector<api_key_row>>> list_api_keys() override { return answer(std::vector<api_key_row>()); }
    task<result<store::page_of<api_key_row>>> list_api_keys(store::key_scope, store::page_request) override {
        return answer(store::page_of<api_key_row>());
    }
    task<result<api_key_row>> show_api_key(store::key_scope, api_key_id) override { return answer(api_key_row()); }
    task<result<api_key_row>> revoke_api_key(store::key_scope, api_key_id) override { return answer(api_key_row()); }
    task<result<void>> note_key_use(std::vector<std::pair<api_key_id, wall_time>>) override { return answer_nothing(); }

    task<result<std::vector<store::event_type_row>>> event_types(std::string for_account) override {
        note(std::move(for_account));
        return answer(std::vector<store::event_type_row>());
    }
    task<result<store::event_type_row>> create_event_type(store::event_type_row type) override {
        return answer(std::move(type));
    }
    task<result<store::event_type_row>> change_event_type(std::string, std::optional<std::string>,
                                                          std::optional<std::string>) override {
        return answer(store::event_type_row());
    }
    task<result<void>> delete_event_type(std::string) override { return answer_nothing(); }

    task<result<store::idempotent_begin>> begin_idempotent(store::idempotent_call call) override {
        note(call.account_id);
        if (begun)
            return answer(*begun);
        return answer(store::idempotent_begin(call.resource_id));
    }
    task<result<void>> finish_idempotent(store::idempotent_call call, store::idempotent_answer) override {
        note(call.account_id);
        {
            std::lock_guard lock(mutex);
            finished.push_back(std::move(call.idempotency_key));
        }
        return answer_nothing();
    }
    task<result<void>> forget_idempotent(store::idempotent_call call) override {
        note(call.account_id);
        {
            std::lock_guard lock(mutex);
            forgotten.push_back(std::move(call.idempotency_key));
        }
        return answer_nothing();
    }

    void forget_idempotent_soon(store::idempotent_call call) override {
        note(call.account_id);
        std::lock_guard lock(mutex);
        forgotten.push_back(std::move(call.idempotency_key));
    }

    task<result<store::changes>> changes_since(std::string) override { return answer(store::changes()); }
    task<result<void>> ping() override { return answer_nothing(); }
    task<result<std::vector<std::string>>> maintain(hours, hours) override {
        return answer(std::vector<std::string>());
    }
    task<result<store::queue_condition>> look_at_queue() override { return answer(store::queue_condition()); }

    std::mutex mutex;
    std::optional<failure> fails;                 ///< what every call answers
    std::optional<store::idempotent_begin> begun; ///< what a call with an Idempotency-Key finds
    std::vector<std::string> finished;            ///< keys of idempotent calls whose answers were kept
    std::vector<std::string> forgotten;           ///< … whose answers were not
    std::vector<std::string> accounts;            ///< among whose calls those count that name no rows of an account

  private:
    // Out of line: with a sanitizer, g++ 12 takes the failure of a result<void> for uninitialised when it sees both.
    [[gnu::noinline]] static result<void> done() { return {}; }
    [[gnu::noinline]] static result<void> failed(failure why) { return why; }

    void note(std::string account_id) {
        std::lock_guard lock(mutex);
        accounts.push_back(std::move(account_id));
    }
    std::optional<failure> fault_now() {
        std::lock_guard lock(mutex);
        return fails;
    }
    template <class T>
    task<result<T>> answer(T otherwise) {
        if (auto why = fault_now())
            co_return *why;
        co_return otherwise;
    }
    task<result<void>> answer_nothing() {
        auto const why = fault_now();
        co_return why ? failed(*why) : done();
    }
};

} // namespace klen::webhooks::testing_support
