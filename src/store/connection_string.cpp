#include "connection_string.hpp"

#include <libpq-fe.h>

#include <algorithm>

namespace klen::webhooks::store {

namespace {

using settings = std::vector<std::pair<std::string, std::string>>;

std::string const* find(settings const& all, std::string_view key) {
    auto const at = std::ranges::find(all, key, &settings::value_type::first);
    return at == all.end() ? nullptr : &at->second;
}

void set(settings& all, std::string const& key, std::string value) {
    auto const at = std::ranges::find(all, key, &settings::value_type::first);
    if (at == all.end())
        all.emplace_back(key, std::move(value));
    else
        at->second = std::move(value);
}

void set_default(settings& all, std::string const& key, std::string value) {
    if (!find(all, key))
        all.emplace_back(key, std::move(value));
}

std::string quoted(std::string_view value) {
    std::string out = "'";
    for (char const c : value) {
        if (c == '\'' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "'";
}

std::string server_options(session_profile const& profile) {
    std::string out = "-c timezone=UTC -c jit=off -c bytea_output=hex";
    out += " -c statement_timeout=" + std::to_string(profile.statement_timeout.count());
    out += " -c lock_timeout=" + std::to_string(profile.lock_timeout.count());
    if (profile.ordered_plans)
        out += " -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_hashagg=off -c enable_sort=off"
               " -c max_parallel_workers_per_gather=0";
    if (profile.index_plans || profile.ordered_plans)
        out += " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_mergejoin=off";
    return out;
}

} // namespace

result<settings> parse_connection_string(std::string const& url) {
    char* message = nullptr;
    PQconninfoOption* parsed = PQconninfoParse(url.c_str(), &message);
    if (message != nullptr)
        PQfreemem(message); // it may quote the password
    if (parsed == nullptr)
        return failure{fault::invalid_argument, "the database URL cannot be read: it must have the form "
                                                "postgresql://user:password@host:port/database?option=value"};
    settings out;
    for (auto const* option = parsed; option->keyword != nullptr; ++option)
        if (option->val != nullptr)
            out.emplace_back(option->keyword, option->val);
    PQconninfoFree(parsed);
    return out;
}

result<std::string> connection_string(connection_options const& options, session_profile const& profile) {
    auto parsed = parse_connection_string(options.url);
    if (!parsed)
        return parsed.error();
    auto& all = *parsed;
    auto const connect_seconds = std::max<std::int64_t>(2, (options.connect_timeout.count() + 999) / 1000);
    set_default(all, "connect_timeout", std::to_string(connect_seconds));
    set_default(all, "tcp_user_timeout", std::to_string(options.tcp_user_timeout.count()));
    set_default(all, "keepalives", "1");
    set_default(all, "keepalives_idle", "3");
    set_default(all, "keepalives_interval", "2");
    set_default(all, "keepalives_count", "2");
    set_default(all, "application_name", "klen-webhooks " + profile.name);
    set(all, "client_encoding", "UTF8");
    // The user's own options first: the last one counts, and ours are what correctness rests on.
    auto const* own = find(all, "options");
    set(all, "options", (own ? *own + " " : std::string()) + server_options(profile));
    std::string out;
    for (auto const& [key, value] : all)
        out += key + "=" + quoted(value) + " ";
    return out;
}

} // namespace klen::webhooks::store
