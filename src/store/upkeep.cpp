#include "upkeep.hpp"

namespace klen::webhooks::store {

namespace {

constexpr std::int32_t days_ahead = 3;
constexpr std::size_t keys_at_once = 10'000;

constexpr statement take_turn{"take_upkeep_turn", "SELECT pg_try_advisory_xact_lock(7236284118012)"};
constexpr statement make_ahead{"make_partitions", "SELECT make_partitions($1::integer)"};
constexpr statement drop_old{"drop_partitions", "SELECT drop_partitions(make_interval(hours => $1::integer))"};
constexpr statement forget_keys{
    "forget_keys", "DELETE FROM idempotency_keys WHERE ctid IN (SELECT ctid FROM idempotency_keys"
                   " WHERE created_at < clock_timestamp() - make_interval(hours => $1::integer) LIMIT 10000)"};

/// One step in a transaction of its own; false: another instance is at it. What it says is added to `report`.
result<bool> step(session& on, statement const& what, std::int32_t argument, std::vector<std::string>& report,
                  std::size_t* affected = nullptr) {
    bool mine = false;
    auto const done = on.transact([&](session::work& in) -> result<void> {
        auto const turn = in.run(take_turn);
        if (!turn)
            return turn.error();
        mine = turn->boolean(0, 0);
        if (!mine)
            return {};
        auto const said = in.run(what, parameters().int4(argument));
        if (!said)
            return said.error();
        if (affected)
            *affected = said->affected();
        else
            for (std::size_t i = 0; i < said->size(); ++i)
                report.emplace_back(said->text(i, 0));
        return {};
    });
    if (!done)
        return done.error();
    return mine;
}

} // namespace

result<std::vector<std::string>> do_upkeep(session& on, hours events_kept, hours idempotency_window) {
    std::vector<std::string> report;
    auto mine = step(on, make_ahead, days_ahead, report);
    if (mine && *mine)
        mine = step(on, drop_old, static_cast<std::int32_t>(events_kept.count()), report);
    std::size_t forgotten = 0;
    for (std::size_t last = keys_at_once; mine && *mine && last >= keys_at_once; forgotten += last) {
        last = 0;
        mine = step(on, forget_keys, static_cast<std::int32_t>(idempotency_window.count()), report, &last);
    }
    if (!mine)
        return mine.error();
    if (forgotten > 0)
        report.push_back("removed " + std::to_string(forgotten) + " expired idempotency keys");
    return report;
}

} // namespace klen::webhooks::store
