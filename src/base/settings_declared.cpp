#include "base/setting.hpp"
#include "base/settings_checks.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace klen::webhooks::settings {

namespace {

constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;
constexpr std::int64_t gib = 1024 * mib;

/// In the order of log::level.
constexpr std::array<std::string_view, 6> level_names{"trace", "debug", "info", "warn", "error", "off"};
/// In the order of request_lines.
constexpr std::array<std::string_view, 4> request_line_names{"none", "failures", "most", "all"};

// One overload a type of config field.
void assign(bool& to, value const& v) { to = std::get<bool>(v); }
void assign(std::string& to, value const& v) { to = std::get<std::string>(v); }
void assign(texts& to, value const& v) { to = std::get<texts>(v); }
template <class N>
requires std::is_integral_v<N>
void assign(N& to, value const& v) {
    to = static_cast<N>(std::get<std::int64_t>(v)); // within the declared range, which fits
}
template <class Rep, class Period>
void assign(std::chrono::duration<Rep, Period>& to, value const& v) {
    to = std::chrono::duration<Rep, Period>(std::get<std::int64_t>(v));
}
void assign(log::level& to, value const& v) {
    to = static_cast<log::level>(std::ranges::find(level_names, std::get<std::string>(v)) - level_names.begin());
}
void assign(request_lines& to, value const& v) {
    auto const& name = std::get<std::string>(v);
    to = static_cast<request_lines>(std::ranges::find(request_line_names, name) - request_line_names.begin());
}
void assign(log::format& to, value const& v) {
    to = std::get<std::string>(v) == "json" ? log::format::json : log::format::text;
}
void assign(std::vector<seconds>& to, value const& v) {
    to.clear();
    for (std::int64_t const n : std::get<numbers>(v))
        to.emplace_back(n);
}
void assign(std::vector<std::uint16_t>& to, value const& v) {
    to.clear();
    for (std::int64_t const n : std::get<numbers>(v))
        to.push_back(static_cast<std::uint16_t>(n));
}

struct range {
    std::int64_t min = 0;
    std::int64_t max = 0;
};

/// A section being declared.
template <class Section>
class declaration {
  public:
    declaration(std::string name, Section config::*where, std::string description)
        : where_(where), out_{std::move(name), std::move(description), {}} {}

    template <class Field>
    setting& add(std::string name, Field Section::*field, value initial, std::string description) {
        setting& s = out_.members.emplace_back();
        s.section = out_.name;
        s.name = std::move(name);
        s.initial = std::move(initial);
        s.description = std::move(description);
        s.store = [where = where_, field](config& to, value const& v) { assign(to.*where.*field, v); };
        return s;
    }
    template <class Field>
    setting& flag(std::string name, Field Section::*field, bool initial, std::string description) {
        return add(std::move(name), field, initial, std::move(description));
    }
    template <class Field>
    setting& number(std::string name, Field Section::*field, unit counts, std::int64_t initial, range allowed,
                    std::string description) {
        setting& s = add(std::move(name), field, initial, std::move(description));
        s.counts = counts;
        s.min = allowed.min;
        s.max = allowed.max;
        return s;
    }
    template <class Field>
    setting& text(std::string name, Field Section::*field, std::string initial, form_of_text form,
                  std::string description) {
        setting& s = add(std::move(name), field, std::move(initial), std::move(description));
        s.form = std::move(form.words);
        s.check = std::move(form.check);
        return s;
    }
    template <class Field>
    setting& list(std::string name, Field Section::*field, form_of_text form, std::size_t items_max,
                  std::string description) {
        setting& s = add(std::move(name), field, texts{}, std::move(description));
        s.items_max = items_max;
        s.form = std::move(form.words);
        s.check = std::move(form.check);
        return s;
    }
    section finish() { return std::move(out_); }

  private:
    Section config::*where_;
    section out_;
};

section declare_server() {
    using c = server_config;
    declaration<c> s("server", &config::server, "The HTTP server that the platform's services talk to.");
    s.text("listen_address", &c::listen_address, "127.0.0.1", ip_address(),
           "Where the API listens. 0.0.0.0 or :: means every address of the machine.");
    s.number("listen_port", &c::listen_port, unit::port, 8080, {0, 65535},
             "0 takes any free port; the log says which.");
    s.text("operations_address", &c::operations_address, "", or_empty(ip_address()),
           "An own listener for /livez, /readyz and /metrics, so that they need not be reachable for those who use "
           "the API. Empty: they are served by the API's listener.");
    s.number("operations_port", &c::operations_port, unit::port, 8081, {0, 65535},
             "Port of that listener; 0 takes any free port.");
    s.number("connections_max", &c::connections_max, unit::count, 10000, {1, 1000000},
             "Connections open at once. Beyond it one that waits for a request, longest of all, makes room; when none "
             "waits, the newest is closed. Each needs a file descriptor.");
    s.number("header_bytes_max", &c::header_bytes_max, unit::bytes, 8 * kib, {1 * kib, 64 * kib},
             "Size of a request's line and headers together.");
    s.number("body_bytes_max", &c::body_bytes_max, unit::bytes, 4 * mib, {1 * kib, 64 * mib},
             "Size of a request's body, after decompression; larger ones are answered with 413. At least "
             "intake.payload_bytes_max.");
    s.number("management_body_bytes_max", &c::management_body_bytes_max, unit::bytes, 64 * kib, {16 * kib, 4 * mib},
             "The same for all calls but publishing. A call about a sample takes a payload more.");
    s.number("header_timeout_ms", &c::header_timeout, unit::milliseconds, 5000, {100, 300000},
             "How long a client may take to send a request's headers.");
    s.number("body_timeout_ms", &c::body_timeout, unit::milliseconds, 30000, {100, 600000},
             "How long a client may take to send a request's body, and to take the answer.");
    s.number("idle_timeout_ms", &c::idle_timeout, unit::milliseconds, 60000, {100, 3600000},
             "How long a connection is kept open between two requests.");
    s.number("batch_events_max", &c::batch_events_max, unit::count, 1000, {1, 10000}, "Events in one publish request.");
    s.number("bodies_bytes_max", &c::bodies_bytes_max, unit::bytes, 256 * mib, {1 * mib, 64 * gib},
             "Size of all request bodies that are being read or worked on. More are answered with 503 and Retry-After. "
             "At least body_bytes_max.");
    s.number("account_share_percent", &c::account_share_percent, unit::percent, 50, {1, 100},
             "How much of that the keys of one account may take, one body in any case; beyond it that account alone is "
             "answered with 429 and Retry-After. 100: no bound of its own.");
    s.text("tls_certificate_file", &c::tls_certificate_file, "", any_text(4096),
           "Certificate chain (PEM) of the API's listener, which then speaks HTTPS only. Read again on SIGHUP. Empty: "
           "plain HTTP, for a trusted network or behind a proxy that speaks TLS.");
    s.text("tls_key_file", &c::tls_key_file, "", any_text(4096),
           "Private key (PEM, without a password) of that certificate.");
    s.number(
        "account_key_requests_per_second_max", &c::account_key_requests_per_second_max, unit::count, 100, {0, 1000000},
        "Calls a second with one account key, at each daemon; more are answered with 429 and Retry-After. A key may "
        "have a limit of its own. 0: no limit.");
    s.number("platform_key_requests_per_second_max", &c::platform_key_requests_per_second_max, unit::count, 0,
             {0, 1000000}, "The same with one platform key.");
    s.number("account_requests_per_second_max", &c::account_requests_per_second_max, unit::count, 200, {0, 1000000},
             "Calls a second with all keys of one account together, at each daemon, so that more keys are not more "
             "calls. By default one key that runs wild leaves the others as much again. Where a key was given a limit "
             "of its own that is higher, its account may make that many. 0: no limit.");
    s.number("keys_per_account_max", &c::keys_per_account_max, unit::count, 100, {1, 1000000},
             "Keys of one account that are not revoked.");
    return s.finish();
}

section declare_webhooks() {
    using c = webhooks_config;
    declaration<c> s("webhooks", &config::webhooks, "What a customer may configure.");
    s.number("per_account_max", &c::per_account_max, unit::count, 1000, {1, 1000000}, "Webhooks of one account.");
    s.number("subscriptions_max", &c::subscriptions_max, unit::count, 100, {1, 1000},
             "Event types that one webhook may name.");
    s.number("headers_max", &c::headers_max, unit::count, 20, {0, 100}, "Custom headers of one webhook.");
    s.number("headers_bytes_max", &c::headers_bytes_max, unit::bytes, 4 * kib, {0, 16 * kib},
             "Size of one webhook's custom headers together.");
    s.number("metadata_bytes_max", &c::metadata_bytes_max, unit::bytes, 4 * kib, {2, 64 * kib},
             "Size of one webhook's metadata.");
    s.number("secret_bytes_min", &c::secret_bytes_min, unit::bytes, 24, {16, 64},
             "How many bytes a secret must have that the caller brings along (Standard Webhooks: 24 to 64).");
    s.number("rotation_grace_hours", &c::rotation_grace, unit::hours, 24, {0, 168},
             "How long a replaced secret goes on signing, unless the call says otherwise.");
    return s.finish();
}

section declare_database() {
    using c = database_config;
    declaration<c> s("database", &config::database,
                     "PostgreSQL 15 or later: the one place where events, deliveries and their retries live.");
    s.text("url", &c::url, "", or_empty(database_url()),
           "Where the database is, TLS options included: postgresql://user:password@host/name?sslmode=verify-full. "
           "Empty: the daemon starts a private PostgreSQL of its own, which needs no set-up.")
        .secret = true;
    s.text("private_dir", &c::private_dir, "", any_text(4096),
           "Data folder of the private PostgreSQL. Empty: /var/lib/klen-webhooks for root, else klen-webhooks in "
           "XDG_STATE_HOME or in ~/.local/state; without either variable it must be set.");
    s.text("private_bin_dir", &c::private_bin_dir, "", any_text(4096),
           "Where initdb and postgres are. Empty: looked for in the usual places, the newest first.");
    s.text("private_user", &c::private_user, "postgres", user_name(),
           "The user that runs the private PostgreSQL when the daemon is started by root: PostgreSQL refuses to run "
           "as root.");
    s.flag("migrate_on_start", &c::migrate_on_start, false,
           "Apply missing migrations at the start. Otherwise `klen-webhooks migrate` does, and `serve` refuses to "
           "start without them. The private PostgreSQL is always migrated.");
    s.number("connect_timeout_ms", &c::connect_timeout, unit::milliseconds, 5000, {1000, 60000},
             "How long one attempt to connect may take. libpq counts whole seconds: rounded up.");
    s.number("start_wait_ms", &c::start_wait, unit::milliseconds, 30000, {0, 600000},
             "How long the start waits for a database that cannot be reached yet.");
    s.number("statement_timeout_ms", &c::statement_timeout, unit::milliseconds, 30000, {1000, 600000},
             "How long a read or a claim may take. Never applies to a commit.");
    s.number("tcp_user_timeout_ms", &c::tcp_user_timeout, unit::milliseconds, 8000, {1000, 60000},
             "After how long without an acknowledgement a link counts as dead.");
    s.number(
        "answer_timeout_ms", &c::answer_timeout, unit::milliseconds, 10000, {100, 600000},
        "How long a call of the API waits for the database before it is answered with 503 and Retry-After; what it "
        "changes may still take effect then. Publishing has a limit of its own: intake.answer_timeout_ms.");
    s.number("api_connections", &c::api_connections, unit::count, 4, {1, 100},
             "Connections for the API's reads. Publishing, claiming and recording have their own.");
    s.number("watch_interval_ms", &c::watch_interval, unit::milliseconds, 500, {50, 1000},
             "How often changes made by other instances (webhooks, secrets, revoked keys) are looked for.");
    return s.finish();
}

section declare_intake() {
    using c = intake_config;
    declaration<c> s("intake", &config::intake, "Accepting events: what waits for its commit, and what is allowed.");
    s.number("queue_events_max", &c::queue_events_max, unit::count, 20000, {1, 10000000},
             "Events that may wait for their commit. At the limit, publishing is answered with 429 and Retry-After.");
    s.number("queue_bytes_max", &c::queue_bytes_max, unit::bytes, 64 * mib, {1 * mib, 64 * gib},
             "Size of the events that may wait for their commit. At least payload_bytes_max.");
    s.number("queue_deliveries_max", &c::queue_deliveries_max, unit::count, 200000, {100, 100000000},
             "Deliveries that may be expected of the events that wait, by what events of the account and type became "
             "lately.");
    s.number(
        "account_share_percent", &c::account_share_percent, unit::percent, 50, {1, 100},
        "How much of these three bounds one account may take; beyond it that account alone is answered with 429 and "
        "Retry-After. 100: no bound of its own.");
    s.number("batch_events_max", &c::batch_events_max, unit::count, 500, {1, 10000}, "Events in one transaction.");
    s.number("batch_bytes_max", &c::batch_bytes_max, unit::bytes, 4 * mib, {64 * kib, 1 * gib},
             "Size of the events in one transaction. A single larger event gets one for itself.");
    s.number("batch_deliveries_max", &c::batch_deliveries_max, unit::count, 2000, {1, 1000000},
             "Deliveries that may be expected of the events in one transaction. A single event that becomes more gets "
             "one for itself. Large values make publishers wait behind an account with many webhooks.");
    s.number(
        "batch_account_events_max", &c::batch_account_events_max, unit::count, 32, {1, 10000},
        "Events of one account in one transaction while others publish as well: those wait behind so many of each. "
        "An account that publishes alone is not held to it. Raise it where the disk takes more than 5 ms for a "
        "commit and a few accounts publish nearly everything.");
    s.number("payload_bytes_max", &c::payload_bytes_max, unit::bytes, 256 * kib, {1 * kib, 16 * mib},
             "Size of one event's payload.");
    s.number("json_depth_max", &c::json_depth_max, unit::count, 128, {8, 1000},
             "How deep arrays and objects may be nested in a request.");
    s.number(
        "answer_timeout_ms", &c::answer_timeout, unit::milliseconds, 5000, {100, 60000},
        "How long a publisher waits for the commit. Then it is told with 503 that the event may or may not be stored: "
        "publishing it again with the same id is safe.");
    s.number(
        "hang_timeout_ms", &c::hang_timeout, unit::milliseconds, 1500, {100, 60000},
        "A commit that takes longer means that the database hangs: those who wait are told so at once, and new events "
        "are answered with 503 until it ends. Longer than the slowest commit of a disk that still works.");
    s.number("idempotency_window_hours", &c::idempotency_window, unit::hours, 24, {1, 8760},
             "How long the id of a published event is remembered, so that publishing it again sends nothing.");
    s.list("extra_event_types", &c::extra_event_types, event_type(), 1000,
           "Event types of the platform's own, beside those in the catalogue.");
    s.flag("allow_unknown_event_types", &c::allow_unknown_event_types, false,
           "Accept events of types that are not in the catalogue.");
    return s.finish();
}

section declare_delivery() {
    using c = delivery_config;
    declaration<c> s("delivery", &config::delivery, "What receivers see: retries, time limits and headers.");
    setting& schedule = s.add("retry_schedule_seconds", &c::retry_schedule, numbers{60, 300, 1800},
                              "How long after each failed attempt the next one is due. One attempt more is made than "
                              "there are entries; an empty list means a single attempt.");
    schedule.counts = unit::seconds;
    schedule.min = 1;
    schedule.max = 604800;
    schedule.items_max = 50;
    s.number("attempt_timeout_ms", &c::attempt_timeout, unit::milliseconds, 10000, {100, 120000},
             "How long one attempt may take, name resolution, connecting and TLS included.");
    s.number("retry_jitter_percent", &c::retry_jitter_percent, unit::percent, 0, {0, 100},
             "Retries are made later by a random part of their waiting time, this much at most.");
    s.number("retry_after_max_seconds", &c::retry_after_max, unit::seconds, 3600, {0, 604800},
             "How far a receiver's Retry-After (with 429 and 503) may move the next attempt. 0: it is not heeded.");
    s.text("header_prefix", &c::header_prefix, "X-Klen-", header_prefix(),
           "What the names of the headers Signature, Delivery-ID, Event, Timestamp and Attempt begin with.");
    s.number("response_body_bytes_max", &c::response_body_bytes_max, unit::bytes, 4 * kib, {0, 64 * kib},
             "How much of a response's body is read and kept with the attempt.");
    s.number("response_header_bytes_max", &c::response_header_bytes_max, unit::bytes, 8 * kib, {1 * kib, 64 * kib},
             "Size of a response's status line and headers; more counts as a malformed response.");
    s.number("disable_after_hours", &c::disable_after, unit::hours, 120, {0, 8760},
             "A webhook whose attempts have all failed for this long is disabled. 0: never.");
    s.number("failing_after_minutes", &c::failing_after, unit::minutes, 60, {0, 525600},
             "After how long of nothing but failures webhook.failing is published, once. 0: never.");
    s.text("operational_account", &c::operational_account, "platform", or_empty(account_id()),
           "The account whose webhooks get the operational events: webhook.failing, webhook.disabled and "
           "delivery.exhausted, of all other accounts' webhooks. Empty: they are not published.");
    s.number("statistics_interval_ms", &c::statistics_interval, unit::milliseconds, 5000, {100, 300000},
             "How often the health of the webhooks is written to the database. A crash loses that much of it.");
    s.text("user_agent", &c::user_agent, "", or_empty(header_value(256)),
           "The User-Agent header. Empty: klen-webhooks/ and the version.");
    return s.finish();
}

section declare_dispatch() {
    using c = dispatch_config;
    declaration<c> s("dispatch", &config::dispatch,
                     "Deliveries in memory: how many, how many at once, and who owns them. What does not fit waits in "
                     "the database.");
    s.number("io_threads", &c::io_threads, unit::count, 0, {0, 256}, "Threads that send. 0: one per core.");
    s.number("lane_queue_max", &c::lane_queue_max, unit::count, 1000, {1, 100000},
             "Deliveries of one webhook that wait in memory.");
    s.number("webhook_concurrency_max", &c::webhook_concurrency_max, unit::count, 32, {1, 10000},
             "Requests to one webhook at once.");
    s.number(
        "host_concurrency_max", &c::host_concurrency_max, unit::count, 128, {1, 100000},
        "Requests to one host at once, whatever webhooks are on it. Divided among the io_threads; when it is less "
        "than those, only so many of them send. An eighth of each part (of 4 or more) is kept for webhooks that have "
        "no request under way there, so that those which hang never have it all.");
    s.number("slow_start_concurrency", &c::slow_start_concurrency, unit::count, 4, {0, 10000},
             "Requests at once to a webhook that has not answered lately; doubled as it answers, up to "
             "webhook_concurrency_max. 0: no slow start.");
    s.number(
        "circuit_failures", &c::circuit_failures, unit::count, 20, {0, 10000},
        "So many attempts in a row that the endpoint did not answer, or answered with 429 or 5xx, open the webhook's "
        "circuit: nothing is sent to it, and no attempt used up, until a probe succeeds. While it recovers, as many "
        "as may be under way at once (1, 2, 4 and so on) are enough. 0: they do not.");
    s.number("circuit_failure_percent", &c::circuit_failure_percent, unit::count, 80, {0, 100},
             "So large a share of such attempts within circuit_window_ms opens it, too. 0: it does not.");
    s.number("circuit_attempts_min", &c::circuit_attempts_min, unit::count, 50, {1, 1000000},
             "If there were at least so many attempts in the window.");
    s.number("circuit_window_ms", &c::circuit_window, unit::milliseconds, 60000, {1000, 3600000},
             "The window in which that share is looked at.");
    s.number(
        "circuit_wait_ms", &c::circuit_wait, unit::milliseconds, 5000, {100, 3600000},
        "How long after opening one attempt is made as a probe. Each probe that fails doubles the wait, and so does a "
        "circuit that opens again while the webhook recovers.");
    s.number(
        "circuit_wait_max_ms", &c::circuit_wait_max, unit::milliseconds, 60000, {0, 3600000},
        "How long it may become. Also the longest pause of a webhook that asks for one with Retry-After; 0: such a "
        "wish pauses nothing but its own delivery.");
    s.number("deliveries_in_memory_max", &c::deliveries_in_memory_max, unit::count, 20000, {1, 10000000},
             "Deliveries of all webhooks that wait or are under way in memory.");
    s.number("bytes_in_memory_max", &c::bytes_in_memory_max, unit::bytes, 64 * mib, {1 * mib, 64 * gib},
             "Size of their bodies. At least intake.payload_bytes_max.");
    s.number("unrecorded_outcomes_max", &c::unrecorded_outcomes_max, unit::count, 10000, {1, 10000000},
             "Outcomes that may wait to be written, for example while the database is away. At the limit no new "
             "requests are sent; none is dropped.");
    s.number("claim_batch_max", &c::claim_batch_max, unit::count, 500, {1, 10000},
             "Deliveries fetched from the database in one statement.");
    s.number("claims_slow_publishing_percent", &c::claims_slow_publishing_percent, unit::percent, 100, {0, 10000},
             "How much longer than usual publishers may wait for their commit while a backlog is fetched (deliveries "
             "that fall due at once, or that waited for room). Beyond it the backlog is fetched more slowly, at 500 "
             "deliveries a second at least; at full speed when nobody publishes. 0: always at full speed.");
    s.number("outcome_batch_max", &c::outcome_batch_max, unit::count, 500, {1, 10000},
             "Outcomes written in one transaction.");
    s.number("poll_interval_ms", &c::poll_interval, unit::milliseconds, 1000, {10, 60000},
             "How often due deliveries are looked for when nothing else says that there are some. Bounds how late a "
             "retry starts.");
    s.number("heartbeat_interval_ms", &c::heartbeat_interval, unit::milliseconds, 2000, {100, 60000},
             "How often this instance shows the others that it lives. A third of lease_timeout_ms at most.");
    s.number("lease_timeout_ms", &c::lease_timeout, unit::milliseconds, 15000, {1000, 600000},
             "An instance that has not shown itself for so long loses its deliveries to the others. The same on all "
             "instances.");
    s.number("shutdown_timeout_ms", &c::shutdown_timeout, unit::milliseconds, 10500, {100, 600000},
             "How long stopping waits for requests under way. More than delivery.attempt_timeout_ms.");
    return s.finish();
}

section declare_egress() {
    using c = egress_config;
    declaration<c> s("egress", &config::egress, "Where requests may go, and the connections they use.");
    s.flag("allow_http", &c::allow_http, false,
           "Allow webhooks with plain http:// URLs. Bodies and signatures then travel readable for everybody on the "
           "way.");
    s.list("allowed_ranges", &c::allowed_ranges, cidr(), 1000,
           "Special-use address ranges (loopback, private networks, …) that may be reached all the same. Not at the "
           "addresses and ports of this daemon's own listeners and its database: nothing opens those.");
    s.list("refused_ranges", &c::refused_ranges, cidr(), 1000,
           "Address ranges that may not be reached, beside the special-use ones. Stronger than allowed_ranges.");
    setting& ports = s.add("allowed_ports", &c::allowed_ports, numbers{},
                           "Ports that URLs may name. Empty: all but those of well-known services that are not the "
                           "web's, such as 22, 25 or 5432.");
    ports.counts = unit::port;
    ports.min = 1;
    ports.max = 65535;
    ports.items_max = 1000;
    s.list("dns_servers", &c::dns_servers, name_server(), 8,
           "Name servers to ask, instead of those in /etc/resolv.conf.");
    s.number("dns_timeout_ms", &c::dns_timeout, unit::milliseconds, 5000, {100, 60000},
             "How long the resolution of a name may take.");
    s.number("dns_cache_max_ms", &c::dns_cache_max, unit::milliseconds, 30000, {0, 3600000},
             "How long an answer is used again, even if its TTL is longer.");
    s.number("dns_negative_cache_ms", &c::dns_negative_cache, unit::milliseconds, 2000, {0, 60000},
             "How long a failure to resolve a name is remembered.");
    s.number("connect_timeout_ms", &c::connect_timeout, unit::milliseconds, 5000, {100, 60000},
             "How long connecting to one address may take.");
    s.number("idle_connections_per_origin_max", &c::idle_connections_per_origin_max, unit::count, 64, {0, 10000},
             "Unused connections kept open to one origin, for each account.");
    s.number("idle_connections_max", &c::idle_connections_max, unit::count, 5000, {0, 1000000},
             "Unused connections kept open in all, never more than half of the file descriptor limit. Each takes some "
             "5 KiB, "
             "with TLS 30. A new one with TLS costs a millisecond of the processor: one for each receiver saves that.");
    s.number("idle_timeout_ms", &c::idle_timeout, unit::milliseconds, 4000, {0, 300000},
             "How long an unused connection is kept. Many servers close theirs after 5 seconds: stay below.");
    s.text("ca_file", &c::ca_file, "", any_text(4096),
           "Certificates (PEM) of the authorities that receivers' certificates are checked against. Empty: the "
           "system's.");
    s.number("tests_max", &c::tests_max, unit::count, 64, {1, 10000},
             "Test calls under way at once; each holds a connection for as long as an attempt may take. More are "
             "answered with 503 and Retry-After.");
    s.number("tests_per_account_max", &c::tests_per_account_max, unit::count, 8, {1, 10000},
             "Of these, for one account. More are answered with 429 and Retry-After.");
    s.number("address_checks_max", &c::address_checks_max, unit::count, 256, {1, 100000},
             "Calls at once that wait to learn where the URL of a new or changed webhook leads. More are answered with "
             "503 and Retry-After.");
    s.number("address_checks_per_account_max", &c::address_checks_per_account_max, unit::count, 16, {1, 100000},
             "Of these, for one account. More are answered with 429 and Retry-After.");
    return s.finish();
}

section declare_secrets() {
    using c = secrets_config;
    declaration<c> s("secrets", &config::secrets, "The key under which the webhooks' secrets are sealed.");
    s.text("master_key", &c::master_key, "", or_empty(base64_of_32_bytes()),
           "Made with `openssl rand -base64 32`. Keep a copy elsewhere: without it no stored secret can be opened. "
           "Needed when database.url is set; for the private PostgreSQL one is made and kept in its data folder.")
        .secret = true;
    s.text("master_key_id", &c::master_key_id, "k1", key_id(),
           "A name for this key, stored beside each secret that it sealed. Give another key another name.");
    s.list("previous_master_keys", &c::previous_master_keys, named_master_key(), 16,
           "Keys that were master_key before, each as id:key. They open what they sealed, until "
           "`klen-webhooks reseal` has sealed it anew.")
        .secret = true;
    s.flag(
        "require_all_master_keys", &c::require_all_master_keys, true,
        "Do not start while secrets in use are sealed under a master key that is not configured. false: start, and let "
        "the deliveries of their webhooks wait; for when that key is lost, until the secrets were rotated.");
    s.flag("core_dumps", &c::core_dumps, false,
           "Let the daemon leave core dumps, and let its user attach a debugger. They show the master key and the "
           "webhooks' secrets.");
    return s.finish();
}

section declare_retention() {
    using c = retention_config;
    declaration<c> s("retention", &config::retention, "How long history is kept.");
    s.number("events_hours", &c::events, unit::hours, 720, {24, 87600},
             "How long events and attempts are kept. Deliveries that are not finished are kept whatever their age.")
        .multiple_of = 24;
    return s.finish();
}

section declare_log() {
    declaration<log_config> s("log", &config::log,
                              "One line for each thing that happens. Never a secret or a payload.");
    s.add("level", &log_config::level, std::string("info"), "The least important lines to write.").one_of = {
        level_names.begin(), level_names.end()};
    s.add("format", &log_config::format, std::string("text"), "text for people, json (ECS field names) for machines.")
        .one_of = {"text", "json"};
    s.text("file", &log_config::file, "", any_text(4096),
           "A file to append to; opened anew on SIGHUP, for log rotation. Empty: stderr.");
    s.flag("attempts", &log_config::attempts, true,
           "A line for each attempt that delivered, too. Failed attempts are always logged.");
    s.add("requests", &log_config::requests, std::string("all"),
          "Which requests get a line of level info, with the request id that the answer shows: all; most (not accepted "
          "events and succeeding probes, of which there are many); failures (from 400 on); none. Errors of the service "
          "are always logged, of 503 one a second.")
        .one_of = {request_line_names.begin(), request_line_names.end()};
    return s.finish();
}

} // namespace

std::vector<section> const& declared() {
    static std::vector<section> const all{
        declare_server(),   declare_webhooks(), declare_database(), declare_intake(),    declare_delivery(),
        declare_dispatch(), declare_egress(),   declare_secrets(),  declare_retention(), declare_log()};
    return all;
}

} // namespace klen::webhooks::settings
