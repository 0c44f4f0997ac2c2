#include "app/master_keys.hpp"

#include "app/private_file.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <algorithm>
#include <string_view>

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
    // It is made with the cluster, once: a new one would leave every webhook's secret sealed for ever.
    if (!kept->has_value())
        return failure{fault::invalid_argument, file +
                                                    ": the master key is missing; put it back from a backup: without "
                                                    "it the secrets of the webhooks in this database cannot be "
                                                    "opened"};
    return std::move(**kept);
}

} // namespace

result<signing::sealer> open_sealer(config const& settings, database const& where) {
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
    return out;
}

} // namespace klen::webhooks::app
