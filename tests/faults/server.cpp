#include "faults/server.hpp"

#include "e2e/child.hpp"
#include "store/session.hpp"

#include "klen/webhooks/store/migrations.hpp"
#include "klen/webhooks/store/private_postgres.hpp"

#include <csignal>
#include <filesystem>
#include <stdexcept>

namespace klen::webhooks::faults {

namespace {

// What the harness needs to know when something was committed, and what makes a run with fsync off as strict as one
// with it: the machine does not lose its power here, only its processes.
constexpr char const* own_settings = "track_commit_timestamp = on\nsynchronous_commit = on\n";

std::int64_t number_of(std::string const& text) { return text.empty() ? 0 : std::stoll(text); }

} // namespace

server::server(options with) : options_(std::move(with)) {
    std::filesystem::create_directories(options_.dir);
    e2e::write_file(options_.dir + "/postgresql.extra.conf", own_settings + options_.settings);
    start();
    store::migrate({.url = url()}).value();
}

server::~server() = default;

void server::start() {
    running_.reset(); // it holds the folder
    store::private_postgres_options with;
    with.dir = options_.dir;
    with.bin_dir = options_.bin_dir;
    with.fsync = options_.fsync;
    running_ = store::private_postgres::start(with).value();
}

bool server::running() const { return running_ && running_->running(); }

void server::stop(stopping how) {
    auto const pid = std::stoi(e2e::file_text(options_.dir + "/data/postmaster.pid"));
    ::kill(pid, how == stopping::fast ? SIGINT : SIGQUIT);
    if (!e2e::eventually([this] { return !running_->running(); }, std::chrono::seconds(20)))
        throw std::runtime_error("PostgreSQL does not stop");
    running_.reset();
}

std::string server::socket_path() const {
    auto const text = url(); // host='…' port=…
    return text.substr(6, text.find('\'', 6) - 6) + "/.s.PGSQL.5432";
}

std::string server::url() const { return running_->url(); }

std::string server::url_through(std::uint16_t port) {
    return "postgresql://klen@127.0.0.1:" + std::to_string(port) + "/klen_webhooks?sslmode=disable&gssencmode=disable";
}

std::vector<std::vector<std::string>> server::query(std::string const& sql) const {
    store::session link({.url = url()}, {.name = "faults"});
    auto const found = link.run_text(sql);
    if (!found)
        throw std::runtime_error(found.error().message + ": " + sql);
    std::vector<std::vector<std::string>> out(found->size());
    for (std::size_t row = 0; row < found->size(); ++row)
        for (int column = 0; column < found->columns(); ++column)
            out[row].emplace_back(found->text(row, column));
    return out;
}

std::int64_t server::number(std::string const& sql) const { return std::stoll(query(sql).at(0).at(0)); }

database_record server::record() const {
    database_record out;
    for (auto& row : query("SELECT e.event_id, k.idempotency_key, encode(sha256(e.body), 'hex'),"
                           " (extract(epoch FROM pg_xact_commit_timestamp(e.xmin)) * 1000000)::bigint"
                           " FROM events e LEFT JOIN idempotency_keys k ON k.event_id = e.event_id"))
        out.events.push_back({row[0], row[1], row[2], number_of(row[3])});
    for (auto& row : query("SELECT delivery_id, attempt, event_id, webhook_id, decision, error_class, status,"
                           " instance_id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint,"
                           " (extract(epoch FROM next_attempt_at) * 1000000)::bigint"
                           " FROM attempts ORDER BY delivery_id, attempt"))
        out.attempts.push_back({row[0], std::stoi(row[1]), row[2], row[3], row[4], row[5],
                                static_cast<int>(number_of(row[6])), number_of(row[7]), number_of(row[8]),
                                number_of(row[9])});
    for (auto& row : query("SELECT delivery_id FROM deliveries"))
        out.unfinished.push_back(row[0]);
    return out;
}

} // namespace klen::webhooks::faults
