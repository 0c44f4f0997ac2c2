#include "lists.hpp"

#include "kit/store_setup.hpp"

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace klen::bench {
namespace {

namespace kw = klen::webhooks;
namespace store = kw::store;
namespace fs = std::filesystem;
using kw::policy::error_class;
using store::delivery_status;

template <class T>
T run(kw::task<kw::result<T>> what) {
    kw::asio::io_context io;
    std::optional<kw::result<T>> out;
    kw::asio::co_spawn(kw::executor(io.get_executor()), std::move(what),
                       [&](std::exception_ptr, kw::result<T> got) { out.emplace(std::move(got)); });
    io.run();
    return must(std::move(*out));
}

// --- the lists ------------------------------------------------------------------------------------------------------

/// As in lists_fill.sql: the first has half of everything, another its thousandth.
kw::webhook_id webhook(int number) {
    std::string const digits = std::to_string(number);
    return *kw::webhook_id::parse("00000000-0000-7000-8000-" + std::string(12 - digits.size(), '0') + digits);
}

kw::wall_time days_ago(int days) { return std::chrono::system_clock::now() - kw::hours(24 * days); }

struct list_call {
    std::string name;
    std::function<std::size_t(store::history_store&)> call; ///< rows that it found
};

list_call deliveries(std::string name, int number, store::delivery_filter filter) {
    auto const account = "acct_" + std::to_string(number % 100);
    return {std::move(name), [=](store::history_store& on) {
                return run(on.list_deliveries(account, webhook(number), filter)).items.size();
            }};
}

/// A page far down a list: what follows the deliveries of so many days ago.
store::delivery_filter after_days(int days, store::delivery_filter filter = {}) {
    kw::delivery_id id;
    auto const ms = std::chrono::duration_cast<kw::milliseconds>(days_ago(days).time_since_epoch()).count();
    for (std::size_t i = 0; i < 6; ++i)
        id.value.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    filter.after = id;
    return filter;
}

std::vector<list_call> calls() {
    std::vector<list_call> out;
    for (int const number : {0, 7}) {
        auto const add = [&](std::string const& name, store::delivery_filter filter) {
            out.push_back(deliveries((number == 0 ? "large: " : "small: ") + name, number, std::move(filter)));
        };
        add("no filter", {});
        add("no filter, page after 15 days", after_days(15));
        for (auto const status : {delivery_status::pending, delivery_status::delivering, delivery_status::delivered,
                                  delivery_status::failed, delivery_status::cancelled})
            add("status=" + std::string(to_string(status)), {.status = {status}});
        add("event_type", {.event_type = "call.ended"});
        add("event_type that is in no catalogue, status=failed",
            {.status = {delivery_status::failed}, .event_type = "billing.closed"});
        add("event_type without deliveries", {.event_type = "call.nothing"});
        add("error_class=timeout", {.error = error_class::timeout});
        add("error_class=tls_failure (none)", {.error = error_class::tls_failure});
        add("status=failed, error_class=http_status",
            {.status = {delivery_status::failed}, .error = error_class::http_status});
        add("status=cancelled, error_class=timeout (none)",
            {.status = {delivery_status::cancelled}, .error = error_class::timeout});
        add("status=delivered, error_class=timeout",
            {.status = {delivery_status::delivered}, .error = error_class::timeout});
        add("status=delivered, error_class=http_status (none)",
            {.status = {delivery_status::delivered}, .error = error_class::http_status});
        add("status=pending, error_class=connect_refused",
            {.status = {delivery_status::pending}, .error = error_class::connect_refused});
        add("since 20 days, until 19 days ago", {.since = days_ago(20), .until = days_ago(19)});
        add("event_type, status=failed, error_class, since, until, page",
            after_days(10, {.status = {delivery_status::failed},
                            .event_type = "call.ended",
                            .error = error_class::http_status,
                            .since = days_ago(20),
                            .until = days_ago(9)}));
    }
    auto const add_events = [&](std::string const& name, store::event_filter const& filter) {
        out.push_back({"events: " + name,
                       [=](store::history_store& on) { return run(on.list_events("acct_0", filter)).items.size(); }});
    };
    add_events("no filter", {});
    add_events("event_type", {.event_type = "call.ended"});
    add_events("since 20 days, until 19 days ago", {.since = days_ago(20), .until = days_ago(19)});
    out.push_back({"health of the large webhook", [](store::history_store& on) {
                       return static_cast<std::size_t>(run(on.health("acct_0", webhook(0))).pending);
                   }});
    return out;
}

// --- measuring ------------------------------------------------------------------------------------------------------

constexpr int repeats = 9;

double median_ms(list_call const& one, store::history_store& on) {
    std::vector<double> times;
    for (int i = 0; i < repeats; ++i) {
        auto const begun = std::chrono::steady_clock::now();
        one.call(on);
        times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count());
    }
    std::ranges::sort(times);
    return times[repeats / 2];
}

/// The largest "Buffers: shared hit=… read=…", which is that of the whole statement.
std::uint64_t pages_in(std::string const& plan) {
    std::uint64_t most = 0;
    for (auto at = plan.find("Buffers: shared"); at != std::string::npos; at = plan.find("Buffers: shared", at + 1)) {
        auto const line = plan.substr(at, plan.find('\n', at) - at);
        std::uint64_t sum = 0;
        for (auto const* key : {"hit=", "read="})
            if (auto const found = line.find(key); found != std::string::npos)
                sum += std::strtoull(line.c_str() + found + std::string(key).size(), nullptr, 10);
        most = std::max(most, sum);
    }
    return most;
}

/// `log`: of the server, which writes the plans there.
report measure(std::string const& url, std::string const& log, std::string const& plans_file) {
    report out("lists", {{"list", "list"}, {"rows", "rows"}, {"ms", "ms", 1}, {"pages", "pages"}});
    auto const plain = store::make_history_store({.url = url}, 1);
    auto const told = url + " options='-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0"
                            " -c auto_explain.log_analyze=on -c auto_explain.log_buffers=on"
                            " -c auto_explain.log_timing=off'";
    auto const explained = store::make_history_store({.url = told}, 1);
    std::string plans;
    for (auto const& one : calls()) {
        one.call(*explained); // makes the plans and fetches the pages
        auto const before = fs::file_size(log);
        auto const rows = one.call(*explained);
        auto const plan = read_file(log).substr(before);
        plans += "=== " + one.name + "\n" + plan + "\n";
        out.add({{"list", one.name}, {"rows", rows}, {"ms", median_ms(one, *plain)}, {"pages", pages_in(plan)}});
    }
    write_file(plans_file, plans);
    return out;
}

void fill(std::string const& url, lists_options const& how) {
    std::fprintf(stderr, "filling with %zu attempts\n", how.attempts);
    database_link link(url);
    link.run("SET bench.attempts = " + std::to_string(how.attempts));
    link.run(read_file(how.fill));
    link.run("VACUUM ANALYZE");
    link.run("CHECKPOINT");
}

} // namespace

report measure_lists(lists_options const& how, scratch_dir const& in) {
    auto const dir = in.path() + "/lists";
    bool const filled = fs::exists(dir);
    if (!filled)
        in.make("lists");
    auto const server = start_database(dir);
    if (!filled)
        fill(server->url(), how);
    auto out = measure(server->url(), dir + "/postgres.log", how.plans.empty() ? dir + "/plans.txt" : how.plans);
    server->stop();
    return out;
}

} // namespace klen::bench
