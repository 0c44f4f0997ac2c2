#include "kit/database.hpp"

#include "kit/files.hpp"

#include <stdexcept>

namespace klen::bench {

using webhooks::store::rows;

database_link::database_link(std::string url) : session_({.url = std::move(url)}, {.name = "bench"}) {
    counts_statements_ = number("SELECT count(*) FROM pg_settings WHERE name = 'shared_preload_libraries'"
                                " AND setting LIKE '%pg_stat_statements%'") > 0;
    if (counts_statements_)
        run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
}

rows database_link::run(std::string const& sql) {
    auto got = session_.run_text(sql);
    if (!got)
        throw std::runtime_error(sql.substr(0, 80) + ": " + got.error().message);
    return *got;
}

std::int64_t database_link::number(std::string const& sql) { return run(sql).int8(0, 0); }

database_counters database_link::counters() {
    auto const got = run("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
                         " pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint");
    database_counters out{got.int8(0, 0), got.int8(0, 1), 0};
    if (counts_statements_)
        out.statements = number("SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements");
    return out;
}

void prepare_private_dir(std::string const& dir) {
    write_file(dir + "/postgresql.extra.conf",
               "shared_preload_libraries = 'pg_stat_statements'\nmin_wal_size = 1536MB\n");
}

void fill_log(database_link& of) {
    of.run("SELECT pg_logical_emit_message(false, 'bench', 'x'), pg_switch_wal() FROM generate_series(1, 96)");
    of.run("CHECKPOINT");
}

} // namespace klen::bench
