#include "support/test_database.hpp"

#include "support/test_postgres.hpp"

#include "store/session.hpp"

#include <atomic>
#include <stdexcept>

#include <unistd.h>

namespace klen::webhooks::test {

namespace {

store::rows must(result<store::rows> answer) {
    if (!answer)
        throw std::runtime_error(answer.error().message);
    return *answer;
}

/// One shared link for creating and dropping databases: a connection each would double their cost.
class admin {
  public:
    admin() : server_(use_test_postgres()), link_({.url = server_.url_of("postgres")}, {.name = "tests"}) {}

    store::rows run(std::string const& sql) {
        std::lock_guard lock(mutex_);
        return must(link_.run_text(sql));
    }
    std::string url_of(std::string const& database) const { return server_.url_of(database); }

  private:
    test_postgres server_;
    std::mutex mutex_;
    store::session link_;
};

admin& the_admin() {
    static admin one;
    return one;
}

std::string new_name() {
    static std::atomic<int> count{0};
    return "test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
}

} // namespace

struct test_database::link {
    explicit link(store::connection_options const& options) : to(options, {.name = "test"}) {}
    store::session to;
};

test_database::test_database(kind what) : name_(new_name()) {
    // The log of changes is the quicker way to copy a small template, and needs no checkpoint.
    the_admin().run("CREATE DATABASE " + name_ + " TEMPLATE " +
                    (what == kind::migrated ? test_postgres::template_name : "template0") + " STRATEGY wal_log");
    options_.url = the_admin().url_of(name_);
    link_ = std::make_unique<link>(options_);
}

test_database::~test_database() {
    link_.reset();
    try {
        the_admin().run("DROP DATABASE " + name_ + " WITH (FORCE)");
    } catch (std::exception const&) {
        // The server is gone with everything in it.
    }
}

std::vector<std::vector<std::string>> test_database::query(std::string const& sql) {
    auto answer = link_->to.run_text(sql);
    if (!answer && answer.error().kind == fault::connection_lost)
        answer = link_->to.run_text(sql); // cut by the test itself
    auto const found = must(std::move(answer));
    std::vector<std::vector<std::string>> out(found.size());
    for (std::size_t row = 0; row < found.size(); ++row)
        for (int column = 0; column < found.columns(); ++column)
            out[row].emplace_back(found.text(row, column));
    return out;
}

std::string test_database::value(std::string const& sql) {
    auto const found = query(sql);
    if (found.empty() || found.front().empty())
        throw std::runtime_error("no row: " + sql);
    return found.front().front();
}

std::int64_t test_database::number(std::string const& sql) { return std::stoll(value(sql)); }

std::int64_t test_database::cut_connections() {
    return number("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                  " WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

webhook_id add_webhook(test_database& in, std::string const& account, std::vector<std::string> const& events,
                       std::string const& url) {
    auto const id = make_id<webhook_id>();
    std::string patterns;
    for (auto const& event : events)
        patterns += (patterns.empty() ? "'" : ", '") + event + "'";
    in.query("INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events) VALUES ('" + id.text() +
             "', '" + account + "', 'test', '" + url + "', ARRAY[" + patterns + "]::text[])");
    return id;
}

} // namespace klen::webhooks::test
