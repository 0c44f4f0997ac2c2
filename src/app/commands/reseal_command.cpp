#include "app/commands/commands.hpp"

#include "app/commands/complain.hpp"
#include "app/commands/load.hpp"
#include "app/commands/open_store.hpp"
#include "app/master_keys.hpp"
#include "klen/webhooks/signing/secret.hpp"

namespace klen::webhooks::app {

namespace {

constexpr std::uint32_t batch = 500;
constexpr char const* secrets_table = "webhook_secrets";

struct outcome {
    std::uint64_t changed = 0;
    std::uint64_t left = 0; ///< that do not open, and sign nothing any more
    std::vector<std::pair<webhook_id, failure>> refused;
};

result<store::sealed_secret> seal_anew(signing::sealer const& seals, store::sealed_secret const& old,
                                       std::string const& account_id) {
    signing::sealer::place const where{secrets_table, old.id.value, account_id};
    auto plain = seals.open(old.sealed, old.key_id, where);
    if (plain.has_error())
        return plain.error();
    auto out = old;
    out.sealed = seals.seal(*plain, where);
    out.key_id = seals.key_id();
    signing::wipe(*plain);
    return out;
}

/// Step by step, so that no transaction is long and daemons go on meanwhile.
task<result<outcome>> reseal_all(store::api_store& in, signing::sealer const& seals) {
    outcome out;
    std::function<result<store::sealed_secret>(store::sealed_secret const&, std::string const&)> const again =
        [&seals](store::sealed_secret const& old, std::string const& account_id) {
            return seal_anew(seals, old, account_id);
        };
    for (secret_id after;;) {
        auto key_id = seals.key_id();
        auto sealing = again;
        auto step = co_await in.reseal_secrets(after, batch, std::move(key_id), std::move(sealing));
        if (step.has_error())
            co_return step.error();
        out.changed += step->changed;
        out.left += step->left;
        for (auto& one : step->refused)
            out.refused.push_back(std::move(one));
        if (step->last.value.is_nil())
            co_return out;
        after = step->last;
    }
}

} // namespace

int run_reseal(config_source const& from) {
    auto const settings = load_or_complain(from);
    if (!settings)
        return exit_config;
    auto const opened = open_store(*settings);
    if (opened.has_error())
        return complain(database_exit_code(opened.error()), opened.error().message);
    auto const seals = open_sealer(*settings, opened->where, missing_keys::told);
    if (seals.has_error())
        return complain(sealer_exit_code(seals.error()), seals.error().message);
    auto const done = opened->run<outcome>([&seals](store::api_store& in) { return reseal_all(in, *seals); });
    if (done.has_error())
        return complain(database_exit_code(done.error()),
                        done.error().message + "; what was sealed anew stays so: run it again for the rest");
    std::cout << done->changed << (done->changed == 1 ? " secret" : " secrets") << " sealed anew under the key "
              << seals->key_id() << '\n';
    if (done->left != 0)
        std::cout << done->left << " that sign nothing any more could not be opened and stay as they are\n";
    for (auto const& [webhook, why] : done->refused)
        complain(exit_failed, "webhook " + webhook.text() + ": " + why.message);
    if (done->refused.empty()) {
        std::cout
            << "Keep the key before it in secrets.previous_master_keys for "
            << settings->intake.idempotency_window.count()
            << " hours more (intake.idempotency_window_hours): answers that a repeated call still gets are sealed "
               "with it.\n";
        return exit_ok;
    }
    return complain(exit_failed, std::to_string(done->refused.size()) +
                                     (done->refused.size() == 1 ? " secret" : " secrets") +
                                     " could not be opened: add the key to secrets.previous_master_keys, or give "
                                     "the webhook a new one: klen-webhooks webhook rotate-secret ID --grace 0");
}

} // namespace klen::webhooks::app
