#include "klen/webhooks/app/application.hpp"

#include "app/background.hpp"
#include "app/blocking.hpp"
#include "app/core_dumps.hpp"
#include "app/database.hpp"
#include "app/io_threads.hpp"
#include "app/master_keys.hpp"
#include "app/metrics.hpp"
#include "app/out_of_memory.hpp"
#include "app/own_endpoints.hpp"
#include "app/platform_key.hpp"
#include "app/side_thread.hpp"
#include "app/signals.hpp"
#include "app/webhook_errands.hpp"
#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/base/thread_watch.hpp"
#include "klen/webhooks/base/version.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/migrations.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <random>

#include <sys/resource.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

/// How often the threads are looked at, and the private PostgreSQL.
constexpr milliseconds watch_interval{1'000};
/// So many heartbeats later than the last one something is wrong with the database.
constexpr int heartbeats_missed_max = 3;
/// What requests that are being read or answered get when the daemon stops. Short: dispatch.shutdown_timeout comes on
/// top of it, and a publisher whose connection is cut repeats the call, with the same id.
constexpr milliseconds answer_bound{1'000};
/// For what is still to be written of webhooks' health and keys' use, when all outcomes are recorded.
constexpr milliseconds write_bound{1'000};

/// Ends the process when stopping takes longer than that: a database that hangs keeps a thread inside libpq, which
/// cannot be asked to leave. Leases make it safe: what was not recorded is repeated.
class hard_stop {
  public:
    explicit hard_stop(milliseconds bound) : thread_([this, bound] { watch(bound); }) {}
    ~hard_stop() {
        {
            std::lock_guard lock(mutex_);
            done_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    hard_stop(hard_stop const&) = delete;
    hard_stop& operator=(hard_stop const&) = delete;

  private:
    void watch(milliseconds bound) {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, bound, [this] { return done_; }))
            return;
        log::error("stopping takes too long: leaving; what is not recorded will be sent again", {{"waited_ms", bound}});
        log::flush();
        _exit(exit_failed);
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread thread_;
};

/// Of a delivery's attempts. Each is a tenth of a second or two at most (api::signed_bytes_max), and holds what it
/// signs: nobody waits for seconds.
constexpr side_thread::limits signing_limits{.waiting_max = 32, .waiting_of_account_max = 4};
/// What they hold are bodies, which have a budget.
constexpr side_thread::limits judging_limits{.waiting_max = 1024, .waiting_of_account_max = 64};

/// For all that comes before and after the deliveries. With the usual settings a stop ends after 12 s at the latest.
constexpr milliseconds stop_margin{1'500};
/// And for the private PostgreSQL, which stops last.
constexpr milliseconds private_stop_bound{3'000};

/// Why the daemon could not start: thrown during start-up only, and caught in `serve`.
struct start_error {
    int code;
    std::string message;
};

template <class T>
T need(result<T> outcome, int code = exit_unavailable) {
    if (outcome.has_error())
        throw start_error{code, outcome.error().message};
    if constexpr (!std::is_void_v<T>)
        return std::move(*outcome);
}

void start_log(log_config const& settings) {
    try {
        log::start({.min = settings.level, .as = settings.format, .file = settings.file, .service_version = {}});
    } catch (failure_error const& e) {
        throw start_error{exit_config, e.what()};
    }
}

/// Each delivery under way and each publisher needs a descriptor; the usual soft limit of 1024 is for select(2).
void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/// Each io thread's part of the connections that are kept unused. Half of the descriptors are for everything else.
std::uint32_t idle_connections_each(std::uint32_t all, std::size_t io_threads) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        all = static_cast<std::uint32_t>(std::min<rlim_t>(all, limit.rlim_cur / 2));
    return static_cast<std::uint32_t>((all + io_threads - 1) / io_threads);
}

/// How long, besides its statement, a row of a key may be under way to the cache.
constexpr milliseconds key_row_margin = std::chrono::minutes(1);

std::string instance_name() {
    std::array<char, 256> host{};
    if (gethostname(host.data(), host.size() - 1) != 0)
        return "unknown:" + std::to_string(getpid());
    return std::string(host.data()) + ":" + std::to_string(getpid());
}

std::size_t io_thread_count(dispatch_config const& settings) {
    if (settings.io_threads != 0)
        return settings.io_threads;
    return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

/// For /livez and its like: without TLS, which is for the API, and nobody has anything large to send there.
server_config operations_config(server_config out) {
    out.tls_certificate_file.clear();
    out.tls_key_file.clear();
    out.body_bytes_max = 1024;
    out.bodies_bytes_max = std::uint64_t{64} * 1024;
    return out;
}

run_beside beside(side_thread& on) {
    return [&on](std::string account_id, std::function<void()> what) {
        return on.run(std::move(account_id), std::move(what));
    };
}

double random_share() {
    thread_local std::mt19937_64 generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

/// Everything that runs, in the order in which it is made; taken apart in reverse. `drain` is idempotent and copes with
/// a start that failed half-way.
class daemon {
  public:
    daemon(config const& settings, signals& taken)
        : settings_(settings), signals_(taken), shards_("io", io_thread_count(settings.dispatch)),
          coordinator_("coordinator", 1), signing_("signing", signing_limits), judging_("judging", judging_limits),
          catalogue_(settings.intake.extra_event_types),
          keys_(api::key_limits{settings.server.account_key_requests_per_second_max,
                                settings.server.platform_key_requests_per_second_max,
                                settings.server.account_requests_per_second_max},
                system_clock(), settings.database.statement_timeout + key_row_margin) {}
    ~daemon() { drain(); }

    void try_ports() const;
    void open_database();
    void prepare_schema();
    void open_seals();
    void build();
    void start();
    int wait();
    void drain();

  private:
    void build_egress();
    void build_dispatch();
    void build_background();
    void build_api();
    api::services services();
    void make_first_key_of_private_database();
    std::string hung();
    void look_at_heartbeat();
    std::string metrics();
    void stop_server(std::unique_ptr<api::server>& which);

    config const& settings_;
    signals& signals_;
    wall_time const started_at_ = std::chrono::system_clock::now();
    std::atomic<bool> draining_{false};
    log::throttle hung_log_{std::chrono::minutes(1)};
    log::throttle late_log_{std::chrono::seconds(30)};
    bool heartbeat_is_late_ = false;
    bool running_ = false;
    std::optional<hard_stop> bound_; ///< from `drain` until all below is destroyed: their threads are waited for

    database where_;
    std::optional<signing::sealer> seals_;
    io_threads shards_;
    io_threads coordinator_;
    side_thread signing_; ///< whoever waits for these two is on a shard
    side_thread judging_;
    egress::client_context_ptr egress_;
    std::vector<std::unique_ptr<egress::net_client>> clients_;
    std::unique_ptr<webhook_errands> errands_;
    std::unique_ptr<store::api_store> store_;
    std::unique_ptr<store::history_store> history_;
    std::unique_ptr<store::history_store> chores_; ///< the background's: no list of the API keeps it waiting
    std::unique_ptr<store::delivery_store> deliveries_;
    std::unique_ptr<dispatch::dispatcher> dispatcher_;
    std::unique_ptr<store::event_writer> writer_;
    intake::event_catalogue catalogue_;
    std::unique_ptr<intake::intake> intake_;
    api::key_cache keys_;
    std::unique_ptr<background> background_;
    std::unique_ptr<api::server> operations_; // null: the API's listener answers these, too
    std::unique_ptr<api::server> api_;
};

/// A port that is taken is found out before a database is made. Somebody may still take it until it is used.
void daemon::try_ports() const {
    auto const& server = settings_.server;
    auto const try_one = [](char const* setting, std::string const& address, std::uint16_t port) {
        if (auto const tried = api::server::try_to_listen(address, port); tried.has_error())
            throw start_error{exit_unavailable, std::string(setting) + ": " + tried.error().message};
    };
    try_one("server.listen_port", server.listen_address, server.listen_port);
    if (!server.operations_address.empty())
        try_one("server.operations_port", server.operations_address, server.operations_port);
}

void daemon::open_database() {
    auto const give_up = [this] { return signals_.stop_pending(); };
    where_ = need(app::open_database(settings_.database, give_up));
    log::info("database reached", {{"database", store::describe(where_.options)}, {"private", where_.is_private()}});
}

void daemon::prepare_schema() {
    if (!where_.is_private() && !settings_.database.migrate_on_start) {
        need(require_complete_schema(where_));
        return;
    }
    need(store::migrate(where_.options));
}

void daemon::open_seals() {
    auto opened = open_sealer(settings_, where_, missing_keys::refused);
    if (opened.has_error())
        throw start_error{sealer_exit_code(opened.error()), opened.error().message};
    seals_ = std::move(*opened);
}

void daemon::build() {
    store_ = store::make_api_store(where_.options, settings_.database.api_connections);
    history_ = store::make_history_store(where_.options, settings_.database.api_connections);
    chores_ = store::make_history_store(where_.options, 1);
    build_egress();
    build_dispatch();
    build_background();
    build_api();
}

void daemon::build_egress() {
    auto const own = own_endpoints(settings_.server, where_.options);
    auto each = settings_.egress;
    each.idle_connections_max = idle_connections_each(each.idle_connections_max, shards_.size());
    egress_ = need(egress::make_client_context(each, settings_.delivery, own), exit_config);
    for (std::size_t i = 0; i < shards_.size(); ++i)
        clients_.push_back(egress::make_net_client(shards_.at(i), egress_));
    errand_parts with;
    for (std::size_t i = 0; i < shards_.size(); ++i)
        with.shards.push_back({shards_.at(i), clients_[i].get()});
    with.seals = &*seals_;
    with.delivery = &settings_.delivery;
    with.urls = egress::url_policy_of(*egress_);
    auto const& limits = settings_.egress;
    with.tests = {limits.tests_max, limits.tests_per_account_max};
    with.address_checks = {limits.address_checks_max, limits.address_checks_per_account_max};
    errands_ = std::make_unique<webhook_errands>(std::move(with));
}

void daemon::build_dispatch() {
    deliveries_ = store::make_delivery_store(where_.options, settings_.delivery);
    dispatch::dispatch_environment world;
    world.coordinator = coordinator_.at(0);
    for (std::size_t i = 0; i < shards_.size(); ++i)
        world.shards.push_back({shards_.at(i), clients_[i].get()});
    world.store = deliveries_.get();
    world.time = &system_clock();
    world.seals = &*seals_;
    world.urls = egress::url_policy_of(*egress_);
    world.sleep_until = dispatch::timer_sleep();
    world.random = random_share;
    dispatch::dispatch_options options;
    options.dispatch = settings_.dispatch;
    options.delivery = settings_.delivery;
    options.egress = settings_.egress;
    options.log_attempts = settings_.log.attempts;
    options.instance_name = instance_name();
    dispatcher_ = dispatch::dispatcher::create(std::move(options), std::move(world));
    writer_ = store::event_writer::create(where_.options, settings_.intake, *dispatcher_);
    intake_ = std::make_unique<intake::intake>(settings_.intake, *writer_, catalogue_, beside(judging_));
}

void daemon::build_background() {
    background_times times;
    times.watch = settings_.database.watch_interval;
    times.health = settings_.delivery.statistics_interval;
    times.events_kept = settings_.retention.events;
    times.idempotency_window = settings_.intake.idempotency_window;
    background_parts const parts{store_.get(), chores_.get(), dispatcher_.get(), &keys_, &catalogue_, intake_.get()};
    background_ =
        std::make_unique<background>(coordinator_.at(0), parts, times, settings_.delivery.operational_account);
}

api::services daemon::services() {
    api::services with;
    with.settings = &settings_;
    with.events = intake_.get();
    with.catalogue = &catalogue_;
    with.store = store_.get();
    with.history = history_.get();
    with.seals = &*seals_;
    with.egress = egress_;
    with.webhook_changed = [this](webhook_id id) { dispatcher_->webhook_changed(id); };
    with.deliveries_parked = [this](webhook_id id) { dispatcher_->attempt_asked(id); };
    with.circuit_of = [this](webhook_id id) { return dispatcher_->circuit_of(id); };
    with.job_begun = [this] { background_->job_begun(); };
    with.key_changed = [this](store::api_key_row key) { keys_.apply({std::move(key)}); };
    with.judge_address = [this](std::string account_id, egress::target to) {
        return errands_->judge_address(std::move(account_id), std::move(to));
    };
    with.send_test = [this](dispatch::test_request what) { return errands_->send_test(std::move(what)); };
    with.compute = beside(signing_);
    with.draining = [this] { return draining_.load(); };
    with.hung = [this] { return hung(); };
    with.alive = [this] { return dispatcher_->healthy() && hung_threads().empty(); };
    with.metrics = [this] { return metrics(); };
    return with;
}

/// Binds the listeners: a port that is taken ends the start before anything is claimed.
void daemon::build_api() {
    auto const with = services();
    auto const& server = settings_.server;
    auto routes = api::api_routes(with);
    auto operations = api::operations_routes(with);
    if (server.operations_address.empty())
        routes.insert(routes.end(), operations.begin(), operations.end());
    else
        operations_ =
            need(api::server::create(shards_.contexts(), operations_config(server), server.operations_address,
                                     server.operations_port, std::move(operations), keys_, settings_.log.requests));
    api_ = need(api::server::create(shards_.contexts(), server, server.listen_address, server.listen_port,
                                    std::move(routes), keys_, settings_.log.requests));
}

void daemon::start() {
    shards_.start();
    coordinator_.start();
    running_ = true;
    auto const on = coordinator_.at(0);
    if (where_.own)
        make_first_key_of_private_database();
    need(wait_for<result<void>>(on, [this] { return background_->first_round(); }));
    store_->answer_within(settings_.database.answer_timeout); // who calls from here on, waits at a connection
    history_->answer_within(settings_.database.answer_timeout);
    need(wait_for<result<void>>(on, [this] { return dispatcher_->start(); }));
    asio::post(on, [this] { background_->start(); });
    if (operations_)
        operations_->start();
    api_->start();
    log::info("ready", {{"server.address", settings_.server.listen_address},
                        {"server.port", api_->port()},
                        {"operations.port", operations_ ? operations_->port() : api_->port()},
                        {"io_threads", shards_.size()}});
}

void daemon::make_first_key_of_private_database() {
    auto const file = where_.own->dir() + "/platform-key";
    auto const key = need(wait_for<result<std::optional<first_key>>>(
        coordinator_.at(0), [this, file] { return make_first_key(*store_, file); }));
    if (!key)
        return;
    if (key->replaces)
        log::warn("no API key was left: a new one was made, and replaces the one in the file", {{"file", file}});
    else
        log::info("first API key made", {{"file", file}});
    // To a person only: a terminal's text is not kept, a log is.
    if (isatty(STDERR_FILENO) == 1)
        std::fprintf(stderr, "\n%s (a platform key; shown this once, kept in %s):\n    %s\n\n",
                     key->replaces ? "A new API key" : "The first API key", file.c_str(), key->text.c_str());
}

int daemon::wait() {
    auto looked = std::chrono::steady_clock::now();
    for (;;) {
        auto const now = std::chrono::steady_clock::now();
        if (now - looked >= watch_interval) {
            look_at_threads();
            look_at_heartbeat();
            looked = now;
        }
        switch (signals_.wait(watch_interval)) {
        case signals::what::stop:
            return exit_ok;
        case signals::what::reopen_log:
            log::reopen();
            api_->reload_tls();
            break;
        case signals::what::nothing:
            break;
        }
        if (where_.own && !where_.own->running()) {
            log::error("the private PostgreSQL has ended by itself; see its log", {{"folder", where_.own->dir()}});
            dispatcher_->database_ended();
            return exit_unavailable;
        }
    }
}

/// Publishers first, so that nothing new comes; then the deliveries; the database last.
void daemon::drain() {
    if (draining_.exchange(true))
        return;
    signals_.die_at_next();
    bound_.emplace(settings_.dispatch.shutdown_timeout + stop_margin +
                   (where_.own ? private_stop_bound : milliseconds(0)));
    if (running_) {
        log::info("stopping");
        stop_server(api_);
        writer_->stop();
        auto const on = coordinator_.at(0);
        wait_for<void>(on, [this] { return background_->stop(); });
        for (std::size_t i = 0; i < errands_->shards(); ++i)
            wait_for<void>(shards_.at(i), [this, i] { return errands_->stop(i); });
        wait_for<void>(on, [this] { return dispatcher_->stop(); });
        wait_for<void>(on, [this] { return background_->write_rest(write_bound); });
        for (std::size_t i = 0; i < clients_.size(); ++i)
            wait_for<void>(shards_.at(i), [this, i] { return clients_[i]->stop(); });
        if (operations_)
            stop_server(operations_);
        log::info("stopped");
    }
    signing_.stop();
    judging_.stop();
    coordinator_.stop();
    shards_.stop();
}

void daemon::stop_server(std::unique_ptr<api::server>& which) {
    auto const until = std::chrono::steady_clock::now() + answer_bound;
    wait_for<void>(shards_.at(0), [&which, until] { return which->stop(until); });
}

/// A database that hangs fails nothing: whatever asks it waits. This is the line that says so.
void daemon::look_at_heartbeat() {
    auto const age = std::chrono::duration<double>(dispatcher_->stats().oldest_heartbeat_seconds);
    bool const is_late = age > settings_.dispatch.heartbeat_interval * heartbeats_missed_max;
    if (is_late) {
        if (auto const say = late_log_.allow(); say.write)
            log::error("no heartbeat is committed: the database does not answer, or not in time",
                       {{"heartbeat_age_ms", std::chrono::duration_cast<milliseconds>(age)}});
    } else if (heartbeat_is_late_) {
        log::info("heartbeats are committed again");
    }
    heartbeat_is_late_ = is_late;
}

std::string daemon::hung() {
    auto names = hung_threads();
    if (names.empty())
        return names;
    if (auto const say = hung_log_.allow(); say.write)
        log::error("threads hang: this daemon should be restarted", {{"threads", names}, {"repeats", say.held_back}});
    return names;
}

std::string daemon::metrics() {
    metric_values now;
    now.dispatch = dispatcher_->stats();
    now.server = api_->stats();
    for (auto const& client : clients_)
        now.clients.push_back(client->stats());
    now.background = background_->stats();
    now.intake_waiting = writer_->waiting();
    now.database_available = writer_->available() && !intake_->hangs();
    now.log_lines_lost = log::lost_lines();
    now.start_unix_seconds = std::chrono::duration<double>(started_at_.time_since_epoch()).count();
    return metrics_text(now);
}

} // namespace

int serve(config const& settings) {
    signals taken; // before the first thread
    try {
        start_log(settings.log);
        log::info("starting", {{"version", version()}});
        if (!settings.secrets.core_dumps)
            forbid_core_dumps();
        raise_file_limit();
        wait_for_memory();
        daemon all(settings, taken);
        all.try_ports();
        all.open_database();
        all.prepare_schema();
        all.open_seals();
        all.build();
        all.start();
        int const code = all.wait();
        all.drain();
        return code;
    } catch (start_error const& e) {
        log::error("cannot start", {{"error.message", e.message}});
        log::flush();
        if (!settings.log.file.empty())
            std::fprintf(stderr, "klen-webhooks: cannot start: %s\n", e.message.c_str());
        return e.code;
    }
}

} // namespace klen::webhooks::app
