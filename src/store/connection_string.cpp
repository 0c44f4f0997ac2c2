#include "connection_string.hpp"

#include "url_problem.hpp"
#include "wire_format.hpp"

#include "base/settings_suggest.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>

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
    out += " -c idle_in_transaction_session_timeout=" + std::to_string(profile.idle_transaction_timeout.count());
    if (profile.ordered_plans)
        out += " -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_hashagg=off -c enable_sort=off"
               " -c max_parallel_workers_per_gather=0";
    if (profile.index_plans || profile.ordered_plans)
        out += " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_mergejoin=off"
               " -c work_mem=16MB"; // a whole batch of events stays in memory
    return out;
}

failure unreadable(std::string const& why) {
    return {fault::invalid_argument, "the database URL cannot be read: " + why};
}

std::vector<std::string> known_options() {
    std::vector<std::string> out;
    PQconninfoOption* const all = PQconndefaults();
    for (auto const* option = all; option != nullptr && option->keyword != nullptr; ++option)
        out.emplace_back(option->keyword);
    PQconninfoFree(all);
    return out;
}

/// Behind the ? of a URI; nothing when a password may reach into it.
std::string_view query_of(std::string_view uri) {
    auto const scheme = uri.find("://");
    if (scheme == std::string_view::npos)
        return {};
    auto rest = uri.substr(scheme + 3);
    if (auto const end = rest.find_first_of("@/"); end != std::string_view::npos && rest[end] == '@')
        rest.remove_prefix(end + 1);
    auto const question = rest.find('?');
    return question == std::string_view::npos || rest.find('@') != std::string_view::npos ? std::string_view()
                                                                                          : rest.substr(question + 1);
}

/// Which option PostgreSQL's library does not have: its own message may quote the password.
std::string unknown_option(std::string_view uri) {
    auto const known = known_options();
    for (auto query = query_of(uri); !query.empty();) {
        auto const part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
        std::string const name(part.substr(0, part.find('=')));
        if (std::ranges::find(known, name) != known.end() || part == "ssl=true")
            continue;
        auto const meant = klen::webhooks::settings::nearest(name, known);
        return "there is no option \"" + storable_text(name.substr(0, 64)) + "\"" +
               (meant.empty() ? "" : "; did you mean " + meant + "?");
    }
    return {};
}

bool is_port(std::string_view text) {
    std::uint16_t number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number != 0;
}

/// What the library would find out only when it connects, and would seem to be a database that is away.
std::string wrong_value(settings const& all) {
    constexpr std::array<std::string_view, 6> modes{"disable", "allow",     "prefer",
                                                    "require", "verify-ca", "verify-full"};
    // What follows a bare / in a password is taken for the database, and what is in front of it for the port.
    if (auto const* name = find(all, "dbname"); name && name->find('@') != std::string::npos)
        return "a / in the user name or password must be written %2F";
    if (auto const* ports = find(all, "port"))
        for (std::string_view rest = *ports; !rest.empty();) {
            auto const one = rest.substr(0, rest.find(','));
            rest.remove_prefix(std::min(one.size() + 1, rest.size()));
            if (!one.empty() && !is_port(one))
                return "the port must be a number from 1 to 65535, not \"" + storable_text(one.substr(0, 64)) + "\"";
        }
    if (auto const* mode = find(all, "sslmode"); mode && std::ranges::find(modes, *mode) == modes.end())
        return "sslmode must be disable, allow, prefer, require, verify-ca or verify-full";
    return {};
}

} // namespace

result<settings> parse_connection_string(std::string const& url) {
    char* message = nullptr;
    PQconninfoOption* parsed = PQconninfoParse(url.c_str(), &message);
    if (message != nullptr)
        PQfreemem(message); // it may quote the password
    if (parsed == nullptr) {
        auto const why = unknown_option(url);
        return unreadable(!why.empty() ? why
                                       : "it must have the form "
                                         "postgresql://user:password@host:port/database?option=value, with %XX for "
                                         "the characters of a password that are no letters or digits");
    }
    settings out;
    for (auto const* option = parsed; option->keyword != nullptr; ++option)
        if (option->val != nullptr)
            out.emplace_back(option->keyword, option->val);
    PQconninfoFree(parsed);
    if (auto const why = wrong_value(out); !why.empty())
        return unreadable(why);
    return out;
}

std::string url_problem(std::string const& url) {
    auto const parsed = parse_connection_string(url);
    return parsed ? std::string() : parsed.error().message;
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
