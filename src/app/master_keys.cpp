#include "app/master_keys.hpp"

#include "api/sealed_secrets.hpp"
#include "app/private_file.hpp"
#include "klen/webhooks/app/application.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/signing/secret.hpp"
#include "klen/webhooks/store/master_keys.hpp"

#include <algorithm>
#include <string_view>

#include <sys/stat.h>

namespace klen::webhooks::app {

namespace {

result<std::string> current_key(config const& settings, database const& where) {
    if (!settings.secrets.master_key.empty())
        return settings.secrets.master_key;
    if (!where.is_private())
        return failure{fault::invalid_argument, "secrets.master_key: must be set where database.url is: make one with "
                                                "`openssl rand -base64 32` and keep a copy outside the database"};
    auto const file = where.private_dir + "/master.key";
    auto kept = read_private_file(file);
    if (kept.has_error())
        return kept.error();
    if (struct stat info{}; ::stat(file.c_str(), &info) == 0 && (info.st_mode & 077) != 0)
        log::warn("others than its owner may open the master key's file: chmod 600 it", {{"file", file}});
    // It is made with the cluster, once: a new one would leave every webhook's secret sealed for ever.
    if (!kept->has_value())
        return failure{fault::invalid_argument, file +
                                                    ": the master key is missing; put it back from a backup: without "
                                                    "it the secrets of the webhooks in this database cannot be "
                                                    "opened"};
    return std::move(**kept);
}

failure misfit(store::key_fit how, std::string const& key_id, bool seals_new, config const& settings,
               database const& where) {
    auto const name = '"' + key_id + '"';
    auto const what = how == store::key_fit::another_on_record
                          ? "is not the key that this database knows as " + name
                          : "opens none of the secrets that were sealed under the key " + name;
    if (!seals_new)
        return {fault::invalid_argument,
                "secrets.previous_master_keys: the key " + name + " " + what +
                    ": put the right one there, or take it out if nothing is sealed under it any more"};
    auto const setting = settings.secrets.master_key.empty() ? where.private_dir + "/master.key" : "secrets.master_key";
    return {fault::invalid_argument,
            setting + ": " + what +
                ": put that one back; a new key needs a secrets.master_key_id of its own, and the one before it in "
                "secrets.previous_master_keys"};
}

/// Before anything is put on record: a key that was given by mistake must not stay there.
result<void> refuse_missing_keys(signing::sealer const& seals, config const& settings, database const& where) {
    std::vector<std::string> ours;
    for (auto const& key : seals.key_checks())
        ours.push_back(key.key_id);
    auto const missing = store::missing_master_keys(where.options, ours);
    if (missing.has_error())
        return missing.error();
    if (missing->empty())
        return {};
    std::string names;
    for (auto const& id : *missing)
        names += (names.empty() ? "\"" : ", \"") + id + '"';
    auto const setting = settings.secrets.master_key.empty() ? where.private_dir + "/master.key" : "secrets.master_key";
    return failure{
        fault::invalid_argument,
        setting + ": secrets of webhooks in this database are sealed under the master key " + names +
            ", and the keys here are others: put it into secrets.master_key and its id into "
            "secrets.master_key_id, or both into secrets.previous_master_keys as \"id:key\"; if it is lost, set "
            "secrets.require_all_master_keys to false and rotate these secrets"};
}

result<void> check_keys(signing::sealer const& seals, config const& settings, database const& where) {
    auto const opens = [&seals](store::sealed_secret const& sealed, std::string const& account_id) {
        auto plain = api::open_secret(seals, sealed, account_id);
        if (plain)
            signing::wipe(*plain);
        return plain.has_value();
    };
    for (auto const& key : seals.key_checks()) {
        auto const fit = store::fit_master_key(where.options, key.key_id, key.value, opens);
        if (fit.has_error())
            return fit.error();
        if (*fit != store::key_fit::fits)
            return misfit(*fit, key.key_id, key.key_id == seals.key_id(), settings, where);
    }
    return {};
}

} // namespace

result<signing::sealer> open_sealer(config const& settings, database const& where, missing_keys missing) {
    auto key = current_key(settings, where);
    if (key.has_error())
        return key.error();
    auto out = signing::sealer::create(*key, settings.secrets.master_key_id);
    signing::wipe(*key);
    if (out.has_error())
        return out;
    for (std::string_view const previous : settings.secrets.previous_master_keys) {
        auto const colon = std::min(previous.find(':'), previous.size() - 1);
        if (auto added = out->add_previous(previous.substr(colon + 1), previous.substr(0, colon)); added.has_error())
            return added.error();
    }
    if (missing == missing_keys::refused && settings.secrets.require_all_master_keys)
        if (auto all = refuse_missing_keys(*out, settings, where); all.has_error())
            return all.error();
    if (auto fit = check_keys(*out, settings, where); fit.has_error())
        return fit.error();
    return out;
}

int sealer_exit_code(failure const& failed) {
    switch (failed.kind) {
    case fault::connection_lost:
    case fault::unanswered:
    case fault::database_busy:
    case fault::database_refused:
        return exit_unavailable;
    default:
        return exit_config;
    }
}

} // namespace klen::webhooks::app
