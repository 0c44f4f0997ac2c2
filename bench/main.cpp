// klen-bench: what scripts/bench runs. One command a measurement; each prints tables and writes one JSON file.

#include "ceiling.hpp"
#include "end_to_end.hpp"
#include "growth.hpp"
#include "held_transaction.hpp"
#include "herd.hpp"
#include "kit/arguments.hpp"
#include "kit/socket.hpp"
#include "lists.hpp"
#include "neighbours.hpp"

#include <cstdio>
#include <map>

namespace klen::bench {
namespace {

/// What every measurement is told.
struct common_options {
    explicit common_options(arguments& from)
        : binary(from.text("--binary", "build/release/klen-webhooks")), json(from.text("--json", "")),
          revision(from.text("--revision", "")), dir(from.text("--dir", "")), keep(from.flag("--keep")) {}
    std::string binary, json, revision, dir;
    bool keep;
};

void write(common_options const& how, std::vector<report const*> const& what) {
    if (!how.json.empty())
        write_json(how.json, how.revision, what);
}

/// The parts, and from their costs the ceiling; then everything together.
int parts_and_end_to_end(arguments& from) {
    common_options const common(from);
    bool const quick = from.flag("--quick");
    bool const only_parts = from.flag("--parts");
    end_to_end_options how;
    how.binary = common.binary;
    how.quick = quick;
    how.matrix = from.flag("--matrix");
    how.connections = from.counts("--connections", quick ? "256" : "64,256,512");
    how.seconds = from.number("--seconds", quick ? 5 : 8);
    how.search_steps = static_cast<int>(from.count("--search-steps", quick ? 3 : 5));
    how.only = from.text("--only", "");
    auto const part_seconds = from.number("--part-seconds", quick ? 3 : 5);
    from.refuse_others();

    scratch_dir const in(common.dir, common.keep);
    ceiling most(in, part_seconds);
    most.measure_generator_alone();
    if (only_parts) {
        std::printf("\nceiling: %.0f deliveries/s\n", most.per_second({}));
        write(common, {&most.parts()});
        return 0;
    }
    auto const rows = measure_end_to_end(how, most, in);
    write(common, {&most.parts(), &rows});
    return 0;
}

int neighbours(arguments& from) {
    common_options const common(from);
    neighbours_options how;
    how.binary = common.binary;
    how.healthy = from.count("--healthy", how.healthy);
    how.rate = from.number("--rate", how.rate);
    how.flood = from.count("--flood", how.flood);
    how.unresolvable = from.count("--unresolvable", how.unresolvable);
    how.lead_in_s = from.number("--lead-in", how.lead_in_s);
    how.seconds = from.number("--seconds", how.seconds);
    how.each = from.flag("--each");
    from.refuse_others();
    scratch_dir const in(common.dir, common.keep);
    auto const rows = measure_neighbours(how, in);
    write(common, {&rows});
    return 0;
}

int growth(arguments& from) {
    common_options const common(from);
    growth_options how;
    how.binary = common.binary;
    how.fill = from.text("--fill", how.fill);
    how.waiting = from.counts("--waiting", "10k,1M,10M");
    how.webhooks = from.counts("--webhooks", "10,10k,1M");
    how.attempts = from.count("--attempts", how.attempts);
    how.rate = from.number("--rate", how.rate);
    how.seconds = from.number("--seconds", how.seconds);
    how.claims = from.count("--claims", how.claims);
    from.refuse_others();
    scratch_dir const in(common.dir, common.keep);
    auto const rows = measure_growth(how, in);
    write(common, {&rows});
    return 0;
}

int herd(arguments& from) {
    common_options const common(from);
    herd_options how;
    how.binary = common.binary;
    how.fill = from.text("--fill", how.fill);
    how.deliveries = from.count("--deliveries", how.deliveries);
    how.hosts = from.count("--hosts", how.hosts);
    how.webhooks_per_host = from.count("--webhooks-per-host", how.webhooks_per_host);
    how.answers_after_ms = from.number("--answers-after-ms", how.answers_after_ms);
    how.rate = from.number("--rate", how.rate);
    how.seconds = from.number("--seconds", how.seconds);
    from.refuse_others();
    scratch_dir const in(common.dir, common.keep);
    auto const rows = measure_herd(how, in);
    write(common, {&rows});
    return 0;
}

int held_transaction(arguments& from) {
    common_options const common(from);
    held_transaction_options how;
    how.binary = common.binary;
    how.rate = from.number("--rate", how.rate);
    how.minutes = from.number("--minutes", how.minutes);
    how.seconds = from.number("--seconds", how.seconds);
    from.refuse_others();
    scratch_dir const in(common.dir, common.keep);
    auto const rows = measure_held_transaction(how, in);
    write(common, {&rows});
    return 0;
}

int lists(arguments& from) {
    common_options const common(from);
    lists_options how;
    how.fill = from.text("--fill", how.fill);
    how.plans = from.text("--plans", "build/bench/lists_plans.txt");
    how.attempts = from.count("--attempts", how.attempts);
    from.refuse_others();
    scratch_dir const in(common.dir, common.keep);
    auto const rows = measure_lists(how, in);
    write(common, {&rows});
    return 0;
}

/// Not for people: the server of the intake part.
int intake_server(arguments& from) {
    auto const port = static_cast<std::uint16_t>(from.count("--port", 0));
    auto const key_file = from.text("--key-file", "");
    from.refuse_others();
    return serve_intake(port, key_file);
}

int run(int argc, char** argv) {
    std::map<std::string, int (*)(arguments&)> const commands{{"end-to-end", parts_and_end_to_end},
                                                              {"growth", growth},
                                                              {"held-transaction", held_transaction},
                                                              {"herd", herd},
                                                              {"lists", lists},
                                                              {"neighbours", neighbours},
                                                              {"serve-intake", intake_server}};
    auto const command = commands.find(argc > 1 ? argv[1] : "");
    if (command == commands.end()) {
        std::fprintf(stderr, "usage: %s <command> [options]; see scripts/bench\n", argv[0]);
        return 2;
    }
    raise_file_limit();
    arguments given(argc - 2, argv + 2, {"--quick", "--parts", "--matrix", "--each", "--keep"});
    return command->second(given);
}

} // namespace
} // namespace klen::bench

int main(int argc, char** argv) {
    try {
        return klen::bench::run(argc, argv);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "klen-bench: %s\n", e.what());
        return 1;
    }
}
