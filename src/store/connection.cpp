#include "klen/webhooks/store/connection.hpp"

#include "connection_string.hpp"
#include "session.hpp"

#include "klen/webhooks/base/log.hpp"

#include <algorithm>
#include <thread>

namespace klen::webhooks::store {

namespace {

constexpr std::int64_t oldest_version = 150000;
constexpr milliseconds retry_every{250};

constexpr statement ask_settings{
    "check_settings", "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),"
                      " current_setting('fsync'), current_setting('full_page_writes'),"
                      " current_setting('synchronous_commit')"};

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
    warn_when_unsafe("synchronous_commit", answer->text(0, 4), options);
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
