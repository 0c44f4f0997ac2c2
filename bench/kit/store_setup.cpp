#include "kit/store_setup.hpp"

#include "klen/webhooks/store/migrations.hpp"

namespace klen::bench {

namespace store = klen::webhooks::store;

std::unique_ptr<store::private_postgres> start_database(std::string const& dir) {
    prepare_private_dir(dir);
    auto server = must(store::private_postgres::start({.dir = dir, .bin_dir = "", .user = ""}));
    must(store::migrate({.url = server->url()}));
    return server;
}

void insert_webhooks(database_link& into, std::size_t count, std::size_t fan_out) {
    into.run("INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events) SELECT"
             " ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a' || lpad((n / " +
             std::to_string(fan_out) +
             ")::text, 7, '0'), 'bench', 'https://example.com/', ARRAY['*'] FROM generate_series(0, " +
             std::to_string(count - 1) + ") n");
    into.run("ANALYZE webhooks");
}

} // namespace klen::bench
