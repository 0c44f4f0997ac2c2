#include "klen/webhooks/store/connection.hpp"

#include "connection_string.hpp"
#include "session.hpp"

#include "klen/webhooks/base/log.hpp"

#include <algorithm>
#include <charconv>
#include <thread>

namespace klen::webhooks::store {

namespace {

constexpr std::int64_t oldest_version = 150000;
constexpr milliseconds retry_every{250};
constexpr std::uint16_t default_port = 5432;

/// Of a list that commas separate; entries may be empty.
std::vector<std::string> parts_of(std::string_view list) {
    std::vector<std::string> out;
    while (true) {
        auto const comma = list.find(',');
        out.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos)
            return out;
        list.remove_prefix(comma + 1);
    }
}

constexpr statement ask_settings{
    "check_settings", "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),"
                      " current_setting('fsync'), current_setting('full_page_writes')"};

void warn_when_unsafe(std::string_view setting, std::string_view value, connection_options const& options) {
    if (value == "off")
        log::warn("the database may lose what it has confirmed: a setting is unsafe",
                  {{"setting", setting}, {"value", value}, {"database", describe(options)}});
}

} // namespace

connection_options connection_options_of(database_config const& config, std::string url) {
    connection_options out;
    out.url = std::move(url);
    out.connect_timeout = config.connect_timeout;
    out.statement_timeout = config.statement_timeout;
    out.tcp_user_timeout = config.tcp_user_timeout;
    return out;
}

std::string describe(connection_options const& options) {
    auto const parsed = parse_connection_string(options.url);
    if (!parsed)
        return "(unreadable database URL)";
    auto const value = [&](std::string_view key, std::string fallback) {
        for (auto const& [name, text] : *parsed)
            if (name == key && !text.empty())
                return storable_text(text);
        return fallback;
    };
    auto const host = value("host", value("hostaddr", "(local socket)"));
    return "database \"" + value("dbname", value("user", "(default)")) + "\" on " + host + " port " +
           value("port", "5432") + " as user \"" + value("user", "(default)") + "\"";
}

std::vector<host_and_port> tcp_hosts(connection_options const& options) {
    auto const parsed = parse_connection_string(options.url);
    std::vector<host_and_port> out;
    if (!parsed)
        return out;
    auto const list = [&](std::string_view key) {
        auto const at = std::ranges::find(*parsed, key, &std::pair<std::string, std::string>::first);
        return at == parsed->end() ? std::vector<std::string>() : parts_of(at->second);
    };
    // libpq: both lists are as long as each other where both are given, a single port is for all.
    auto const hosts = list("host");
    auto const addresses = list("hostaddr");
    auto const ports = list("port");
    for (std::size_t i = 0; i < std::max(hosts.size(), addresses.size()); ++i) {
        auto const entry = [i](std::vector<std::string> const& of) { return i < of.size() ? of[i] : std::string(); };
        auto const address = entry(addresses);
        auto const host = address.empty() ? entry(hosts) : address;
        if (host.empty() || host.starts_with('/') || host.starts_with('@'))
            continue;
        auto const port = ports.empty() ? std::string() : ports[std::min(i, ports.size() - 1)];
        std::uint16_t number = default_port;
        std::from_chars(port.data(), port.data() + port.size(), number);
        out.push_back({host, number});
    }
    return out;
}

result<void> check_connection(connection_options const& options) {
    session link(options, {.name = "check", .statement_timeout = options.statement_timeout});
    auto const answer = link.run(ask_settings);
    if (!answer)
        return answer.error();
    if (answer->int8(0, 0) < oldest_version)
        return failure{fault::database_refused,
                       "PostgreSQL 15 or later is needed; this one is " + std::string(answer->text(0, 1))};
    warn_when_unsafe("fsync", answer->text(0, 2), options);
    warn_when_unsafe("full_page_writes", answer->text(0, 3), options);
    return {};
}

result<void> wait_for_database(connection_options const& options, milliseconds wait) {
    auto const deadline = std::chrono::steady_clock::now() + wait;
    log::throttle reports(seconds(5));
    for (;;) {
        auto checked = check_connection(options);
        // What a repeat would meet again is told at once: a URL that cannot be read, a version that is too old.
        if (checked || (checked.error().kind != fault::connection_lost && checked.error().kind != fault::database_busy))
            return checked;
        auto const now = std::chrono::steady_clock::now();
        if (now >= deadline)
            return checked;
        if (reports.allow().write)
            log::info("waiting for the database", {{"error.message", checked.error().message}});
        std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(retry_every, deadline - now));
    }
}

} // namespace klen::webhooks::store
