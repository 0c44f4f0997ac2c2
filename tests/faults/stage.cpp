#include "faults/stage.hpp"

#include "app/api_client.hpp"

#include <boost/json/parse.hpp>

#include <filesystem>
#include <stdexcept>

namespace klen::webhooks::faults {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr char const* master_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Short enough for a run of seconds. The circuit breaker is off: what it holds back would look like a late retry.
instance::settings const short_times{{"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key},
                                     {"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1,2,1"},
                                     {"KLEN_WEBHOOKS_DELIVERY_ATTEMPT_TIMEOUT_MS", "2000"},
                                     {"KLEN_WEBHOOKS_DISPATCH_SHUTDOWN_TIMEOUT_MS", "5000"},
                                     {"KLEN_WEBHOOKS_DISPATCH_CIRCUIT_FAILURES", "0"},
                                     {"KLEN_WEBHOOKS_DISPATCH_CIRCUIT_FAILURE_PERCENT", "0"},
                                     {"KLEN_WEBHOOKS_DISPATCH_SLOW_START_CONCURRENCY", "0"},
                                     {"KLEN_WEBHOOKS_DISPATCH_POLL_INTERVAL_MS", "500"},
                                     {"KLEN_WEBHOOKS_DISPATCH_HEARTBEAT_INTERVAL_MS", "500"},
                                     {"KLEN_WEBHOOKS_DISPATCH_LEASE_TIMEOUT_MS", "3000"},
                                     {"KLEN_WEBHOOKS_DISPATCH_IO_THREADS", "2"}};

std::uint64_t mixed_up(std::uint64_t seed, std::string const& text) {
    auto out = seed ^ 0x9E3779B97F4A7C15ULL;
    for (auto const c : text)
        out = (out ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    return out ^ (out >> 29);
}

std::string key_of(std::string const& database_url) {
    auto const made = e2e::run_command(
        {"key", "create", "--platform", "--name", "faults", "--json"},
        {{"KLEN_WEBHOOKS_DATABASE_URL", database_url}, {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key}});
    if (made.code != 0)
        throw std::runtime_error("no key: " + made.out + made.err);
    return std::string(json::parse(made.out).at("key").as_string());
}

} // namespace

recording_receiver::script mixed(std::uint64_t seed) {
    return [seed](received_request const& what) {
        reaction out;
        if (mixed_up(seed, what.delivery) % 50 == 0) {
            out.status = 500;
            return out;
        }
        auto const drawn = mixed_up(seed + 1, what.delivery + std::to_string(what.attempt)) % 1000;
        if (drawn < 70)
            out.status = 500;
        else if (drawn < 90)
            out.what = reaction::how::reset;
        else if (drawn < 95)
            out.what = reaction::how::hang;
        else if (drawn < 200)
            out.delay = std::chrono::milliseconds(drawn);
        else if (drawn < 230)
            out.close_after = std::chrono::milliseconds(drawn - 200);
        return out;
    };
}

recording_receiver::script friendly(std::uint64_t seed, std::chrono::milliseconds low, std::chrono::milliseconds high) {
    return [=](received_request const& what) {
        reaction out;
        auto const span = static_cast<std::uint64_t>((high - low).count() + 1);
        out.delay = low + std::chrono::milliseconds(mixed_up(seed, what.delivery) % span);
        return out;
    };
}

stage::stage(options given) : with(std::move(given)), random(with.seed) {
    std::filesystem::create_directories(with.folder);
    std::filesystem::permissions(with.folder, std::filesystem::perms::others_exec | std::filesystem::perms::group_exec,
                                 std::filesystem::perm_options::add);
    if (with.database.dir.empty())
        with.database.dir = with.folder + "/postgres";
    database = std::make_unique<server>(with.database);
    receiver = std::make_unique<recording_receiver>(with.reacts ? with.reacts : mixed(with.seed));
    make_daemons();
    make_webhooks();
}

stage::~stage() {
    for (auto const& one : daemons)
        one->open = false;
    publishers.clear();
    daemons.clear();
    proxies.clear();
}

void stage::make_daemons() {
    for (int i = 0; i < with.instances; ++i)
        proxies.push_back(std::make_unique<fault_proxy>(database->socket_path(), random()));
    key_ = key_of(server::url_through(proxies.front()->port())); // before they start: a running one learns of it late
    for (int i = 0; i < with.instances; ++i) {
        auto settings = i == 0 ? with.settings_of_first : instance::settings();
        settings.insert(with.settings.begin(), with.settings.end());
        settings["KLEN_WEBHOOKS_DATABASE_URL"] = server::url_through(proxies[static_cast<std::size_t>(i)]->port());
        settings.insert(short_times.begin(), short_times.end());
        daemons.push_back(
            std::make_unique<instance>(std::string(1, static_cast<char>('a' + i)), with.folder, std::move(settings)));
        daemons.back()->launch();
    }
    for (auto const& one : daemons)
        one->wait_until_ready();
}

void stage::make_webhooks() {
    auto const api = app::api_client::create(daemons.front()->url(), key_).value();
    for (int i = 0; i < with.accounts * with.webhooks; ++i) {
        auto const owner = account(i / with.webhooks);
        auto const made = api.call("POST", "/api/v1/webhooks?account_id=" + owner,
                                   R"({"name":"w","url":")" + receiver->url(i) + R"(","subscribed_events":["*"]})")
                              .value();
        if (made.status != 201)
            throw std::runtime_error("no webhook: " + made.body);
        webhook_ids[owner].emplace_back(json::parse(made.body).at("id").as_string());
    }
}

std::string stage::account(int number) { return "acct_faults_" + std::to_string(number); }

void stage::publish() {
    for (int i = 0; i < with.accounts; ++i)
        publish(i, with.publishers, static_cast<double>(with.events_per_second) / with.accounts);
}

void stage::publish(int owner, int more, double events_per_second) {
    auto const targets = [this] {
        std::vector<std::string> out;
        for (auto const& one : daemons)
            if (one->open)
                out.push_back(one->url());
        return out;
    };
    for (int i = 0; i < more; ++i) {
        publisher::options how;
        how.name = "p" + std::to_string(publishers.size());
        how.account = account(owner);
        how.key = key_;
        how.list_file = with.folder + "/" + how.name + ".list";
        how.seed = random();
        how.events_per_second = events_per_second / more;
        how.timeout = with.publish_timeout;
        how.targets = targets;
        publishers.push_back(std::make_unique<publisher>(std::move(how)));
    }
}

bool stage::quiet(std::chrono::milliseconds bound) {
    auto const until = std::chrono::steady_clock::now() + bound;
    for (auto const& one : publishers)
        one->finish(10s);
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    auto const done = [this] {
        try {
            return database->number("SELECT count(*) FROM deliveries") == 0;
        } catch (std::exception const&) {
            return false; // PostgreSQL recovers from what was done to it
        }
    };
    return e2e::eventually(done, left);
}

std::size_t stage::accepted() const {
    std::size_t out = 0;
    for (auto const& one : publishers)
        out += one->accepted();
    return out;
}

double stage::chance() { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

std::chrono::milliseconds stage::between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
    return low +
           std::chrono::milliseconds(static_cast<std::int64_t>(chance() * static_cast<double>((high - low).count())));
}

} // namespace klen::webhooks::faults
