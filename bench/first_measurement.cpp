// The first measurement: one event in, one delivery out, everything durable, on this very machine.
//
// Starts the daemon on a private PostgreSQL of its own (fsync on), one webhook on a loopback receiver that answers at
// once, and publishes single events of about 1 KB over 1, 16, 64 and 256 kept connections, as fast as the answers come;
// then once more at half the highest rate, where latency counts from the intended send time. Prints a table and writes
// JSON. Load generator, receiver, daemon and PostgreSQL share the machine's cores.

#include "load.hpp"
#include "process.hpp"
#include "sink.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

namespace klen::bench {
namespace {

struct options {
    std::string binary;
    std::string dir = "/tmp/klen-bench-" + std::to_string(getpid());
    std::string json;
    std::size_t payload_bytes = 1024;
    unsigned seconds = 8;
    std::uint16_t port = 18080;
};

struct row {
    std::string load;
    double published_per_s = 0;
    double delivered_per_s = 0;
    double publish_p50_ms = 0, publish_p99_ms = 0;
    double first_byte_p50_ms = 0, first_byte_p99_ms = 0;
    double daemon_us = 0, postgres_us = 0, generator_us = 0;
    double drained_s = 0; ///< from the last 202 to the last arrival
    std::size_t refused = 0;
    std::uint64_t repeats = 0;
    double resident_mb = 0;
};

double quantile_ms(std::vector<std::int64_t>& sorted, double q) {
    if (sorted.empty())
        return 0;
    auto const at = static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1));
    return static_cast<double>(sorted[at]) / 1e6;
}

std::string read_file(std::string const& name) {
    std::ifstream in(name);
    std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.pop_back();
    return text;
}

void wait_until_ready(process& daemon, std::uint16_t port) {
    for (int i = 0; i < 1200; ++i) {
        if (!daemon.running())
            throw std::runtime_error("the daemon ended at its start");
        try {
            call(port, "GET", "/readyz", "", "", 200);
            return;
        } catch (std::exception const&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
    throw std::runtime_error("the daemon is not ready after 60 s");
}

struct bench {
    options const& opt;
    process& daemon;
    sink& receiver;
    event_times& times;
    std::string key;
    std::size_t next_event = 1;

    row measure(std::string name, unsigned connections, double rate) {
        std::uint64_t const received_before = receiver.received();
        std::uint64_t const repeats_before = receiver.repeats();
        cpu_use const before = cpu_of(daemon.pid());
        load_plan plan{opt.port,
                       key,
                       "acct_bench",
                       connections,
                       opt.payload_bytes,
                       next_event,
                       times.arrived.size() - next_event,
                       std::chrono::seconds(opt.seconds),
                       rate};
        auto const began = std::chrono::steady_clock::now();
        load_result load = publish(plan, times);
        auto const last_answer = std::chrono::steady_clock::now();
        auto const patience = last_answer + std::chrono::seconds(60);
        while (receiver.received() - received_before < load.published && std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        auto const drained = std::chrono::steady_clock::now();
        std::this_thread::sleep_for(std::chrono::milliseconds(200)); // the last outcomes are written
        cpu_use const after = cpu_of(daemon.pid());

        std::vector<std::int64_t> first_byte;
        for (std::size_t n = next_event; n < next_event + load.published; ++n) {
            std::int64_t const answered = times.answered[n].load();
            std::int64_t const arrived = times.arrived[n].load();
            if (answered == 0 || arrived == 0)
                throw std::runtime_error("event " + std::to_string(n) + " was accepted and did not arrive");
            // The POST may well leave before the publisher has read its 202: that counts as none.
            first_byte.push_back(std::max<std::int64_t>(0, arrived - answered));
        }
        next_event += load.published + load.refused + connections;
        std::ranges::sort(first_byte);
        std::ranges::sort(load.publish_ns);

        auto seconds = [](auto d) { return std::chrono::duration<double>(d).count(); };
        double const delivered = static_cast<double>(receiver.received() - received_before);
        row out;
        out.load = std::move(name);
        out.published_per_s = static_cast<double>(load.published) / load.seconds;
        out.delivered_per_s = delivered / seconds(drained - began);
        out.publish_p50_ms = quantile_ms(load.publish_ns, 0.5);
        out.publish_p99_ms = quantile_ms(load.publish_ns, 0.99);
        out.first_byte_p50_ms = quantile_ms(first_byte, 0.5);
        out.first_byte_p99_ms = quantile_ms(first_byte, 0.99);
        out.daemon_us = (after.daemon - before.daemon) / delivered * 1e6;
        out.postgres_us = (after.postgres - before.postgres) / delivered * 1e6;
        out.generator_us = (after.self - before.self) / delivered * 1e6;
        out.drained_s = seconds(drained - last_answer);
        out.refused = load.refused;
        out.repeats = receiver.repeats() - repeats_before;
        out.resident_mb = static_cast<double>(resident_bytes(daemon.pid())) / 1e6;
        return out;
    }
};

void print(std::vector<row> const& rows) {
    std::printf("\n%-22s %10s %10s | %8s %8s | %8s %8s | %7s %7s %7s | %6s %7s\n", "load", "accepted/s", "deliv./s",
                "202 p50", "p99 ms", "1st p50", "p99 ms", "daemon", "postgr.", "load+rx", "drain", "RSS MB");
    for (row const& r : rows)
        std::printf("%-22s %10.0f %10.0f | %8.2f %8.2f | %8.2f %8.2f | %7.1f %7.1f %7.1f | %5.2fs %7.0f%s\n",
                    r.load.c_str(), r.published_per_s, r.delivered_per_s, r.publish_p50_ms, r.publish_p99_ms,
                    r.first_byte_p50_ms, r.first_byte_p99_ms, r.daemon_us, r.postgres_us, r.generator_us, r.drained_s,
                    r.resident_mb, r.refused != 0 || r.repeats != 0 ? "  (refused or repeated: see JSON)" : "");
    std::printf("\n\"202\": from send to answer. \"1st\": from the publisher's 202 to the receiver's first byte.\n"
                "daemon, postgr., load+rx: CPU microseconds a delivery (load generator and receiver together).\n");
}

void write_json(std::string const& file, std::vector<row> const& rows) {
    std::ofstream out(file);
    out << "[";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        row const& r = rows[i];
        out << (i == 0 ? "\n" : ",\n") << R"( {"load":")" << r.load << R"(","accepted_per_s":)" << r.published_per_s
            << R"(,"delivered_per_s":)" << r.delivered_per_s << R"(,"publish_p50_ms":)" << r.publish_p50_ms
            << R"(,"publish_p99_ms":)" << r.publish_p99_ms << R"(,"first_byte_p50_ms":)" << r.first_byte_p50_ms
            << R"(,"first_byte_p99_ms":)" << r.first_byte_p99_ms << R"(,"daemon_us":)" << r.daemon_us
            << R"(,"postgres_us":)" << r.postgres_us << R"(,"generator_us":)" << r.generator_us << R"(,"drained_s":)"
            << r.drained_s << R"(,"refused":)" << r.refused << R"(,"repeats":)" << r.repeats << R"(,"resident_mb":)"
            << r.resident_mb << "}";
    }
    out << "\n]\n";
}

int run(options const& opt) {
    std::filesystem::create_directories(opt.dir);
    event_times times(4'000'000);
    sink receiver(times);
    process daemon({opt.binary, "serve"},
                   {{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", std::to_string(opt.port)},
                    {"KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", opt.dir + "/private"},
                    {"KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP", "true"},
                    {"KLEN_WEBHOOKS_EGRESS_ALLOWED_RANGES", "127.0.0.0/8"},
                    {"KLEN_WEBHOOKS_LOG_FORMAT", "json"},
                    {"KLEN_WEBHOOKS_LOG_FILE", opt.dir + "/daemon.log"}},
                   opt.dir + "/daemon.out");
    wait_until_ready(daemon, opt.port);
    std::string const key = read_file(opt.dir + "/private/platform-key");
    call(opt.port, "POST", "/api/v1/webhooks?account_id=acct_bench", key,
         R"({"name":"bench","url":"http://127.0.0.1:)" + std::to_string(receiver.port()) +
             R"(/","subscribed_events":["*"]})",
         201);

    bench all{opt, daemon, receiver, times, key};
    all.measure("warm-up", 64, 0);
    std::vector<row> rows;
    double highest = 0;
    for (unsigned connections : {1U, 16U, 64U, 256U}) {
        rows.push_back(all.measure(std::to_string(connections) + " connections", connections, 0));
        highest = std::max(highest, rows.back().published_per_s);
    }
    rows.push_back(all.measure("half the highest rate", 256, highest / 2));
    print(rows);
    if (!opt.json.empty())
        write_json(opt.json, rows);
    return daemon.stop(std::chrono::seconds(20));
}

} // namespace
} // namespace klen::bench

int main(int argc, char** argv) {
    klen::bench::options opt;
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string const name = argv[i];
        std::string const value = argv[i + 1];
        if (name == "--binary")
            opt.binary = value;
        else if (name == "--dir")
            opt.dir = value;
        else if (name == "--json")
            opt.json = value;
        else if (name == "--payload-bytes")
            opt.payload_bytes = std::stoul(value);
        else if (name == "--seconds")
            opt.seconds = static_cast<unsigned>(std::stoul(value));
        else if (name == "--port")
            opt.port = static_cast<std::uint16_t>(std::stoul(value));
        else
            opt.binary.clear();
    }
    if (opt.binary.empty()) {
        std::fprintf(stderr,
                     "usage: %s --binary build/release/klen-webhooks [--seconds 8] [--payload-bytes 1024] [--dir …] "
                     "[--json file] [--port 18080]\n",
                     argv[0]);
        return 2;
    }
    try {
        int const code = klen::bench::run(opt);
        if (code != 0)
            std::fprintf(stderr, "the daemon ended with %d; its output is in %s\n", code, opt.dir.c_str());
        else
            std::filesystem::remove_all(opt.dir);
        return code == 0 ? 0 : 1;
    } catch (std::exception const& e) {
        std::fprintf(stderr, "bench: %s\n(the daemon's output is in %s)\n", e.what(), opt.dir.c_str());
        return 1;
    }
}
