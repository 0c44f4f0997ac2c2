// The statements of the hot path must not read whole tables, whatever the tables looked like when their plans were
// made. What was read is taken from PostgreSQL's own counters.
#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include "store/store_support.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::store {
namespace {

using namespace test;

constexpr int waiting_rows = 60'000;

class plans_test : public testing::Test {
  protected:
    plans_test() : queue(make_delivery_store(db.options(), {})) {
        me = run(queue->register_instance("test")).value();
        hook = add_webhook(db, "a", {"*"});
        gate.set({me, 1000, {}});
        writer = event_writer::create(db.options(), intake_limits(), gate);
        use_everything(3);
        // PostgreSQL now knows for sure that there are only a few rows, and that is when the plans are made; the last
        // time after a vacuum, when it also knows that the tables have only a page.
        for (auto const* news : {"ANALYZE", "DELETE FROM deliveries; ANALYZE", "VACUUM ANALYZE"}) {
            db.query(news);
            use_everything(1);
        }
        fill();
        db.query("SELECT pg_stat_force_next_flush()");
        db.query("SELECT pg_stat_reset()");
    }

    /// Publishes, records, claims what is due and what is parked, hands back.
    void use_everything(int events) {
        std::vector<std::future<receipt>> answers;
        auto const before = gate.taken().size();
        for (int i = 0; i < events; ++i)
            answers.push_back(submit(*writer, make_event("a", "call.ended", "{}", make_uuid_v7().text())));
        for (auto& one : answers)
            ASSERT_TRUE(one.get());
        std::vector<attempt_record> failed;
        std::vector<attempt_record> delivered;
        auto const taken = gate.taken();
        for (std::size_t i = before; i < taken.size(); ++i) {
            auto const fails = i % 2 == 0;
            auto const what = fails ? policy::decision::retry : policy::decision::delivered;
            auto const why = fails ? policy::error_class::timeout : policy::error_class::none;
            auto& to = fails ? failed : delivered;
            to.push_back(attempt_of_delivery(taken[i].second, what, why));
            to.back().verdict.wait = hours(1);
        }
        for (auto const& batch : {failed, delivered})
            ASSERT_TRUE(run(queue->record(me, batch)));
        auto const due = run(queue->claim_due({me, 100, {}})).value();
        auto const parked = run(queue->claim_parked(me, {{hook, 100}})).value();
        std::vector<delivery_id> back;
        for (auto const& one : due.deliveries)
            back.push_back(one.id);
        for (auto const& one : parked.deliveries)
            back.push_back(one.id);
        ASSERT_TRUE(run(queue->hand_back(me, back, false)));
        ASSERT_TRUE(run(queue->parked_webhooks({}, 10)));
    }
    void fill() {
        auto const rows = std::to_string(waiting_rows);
        db.query("INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events) SELECT gen_random_uuid(),"
                 " 'other ' || i, 'n', 'http://x', ARRAY['*'] FROM generate_series(1, 5000) i");
        db.query(
            "WITH e AS (INSERT INTO events (event_id, account_id, event_type, body) SELECT gen_random_uuid(), 'a', 'x',"
            " 'body' FROM generate_series(1, " +
            rows +
            ") RETURNING event_id)"
            " INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, parked, next_attempt_at)"
            " SELECT gen_random_uuid(), event_id, '" +
            hook.text() +
            "', 'a', random() < 0.5,"
            " clock_timestamp() + (random() - 0.5) * interval '1 hour' FROM e");
        db.query("INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, decision, started_at,"
                 " duration_us, instance_id) SELECT gen_random_uuid(), 1, gen_random_uuid(), '" +
                 hook.text() + "', 'a', 'delivered', now(), 1, 1 FROM generate_series(1, " + rows + ")");
    }

    test_database db;
    fake_gate gate;
    std::unique_ptr<delivery_store> queue;
    std::unique_ptr<event_writer> writer;
    instance_id me;
    webhook_id hook;
};

TEST_F(plans_test, nothing_on_the_hot_path_reads_a_whole_table) {
    use_everything(100);
    queue.reset(); // sessions report their counts when they end
    writer.reset();
    ASSERT_TRUE(eventually(
        [&] { return db.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == 1; }));
    db.query("SELECT pg_stat_clear_snapshot()");
    for (auto const& row : db.query("SELECT relname, seq_scan, seq_tup_read FROM pg_stat_user_tables"
                                    " WHERE seq_tup_read > 1000 AND relname <> 'instances'"))
        ADD_FAILURE() << row[0] << " was read as a whole " << row[1] << " times, " << row[2] << " rows";
    for (auto const& row : db.query("SELECT indexrelname, idx_scan, idx_tup_read FROM pg_stat_user_indexes"
                                    " WHERE idx_tup_read > 5000"))
        ADD_FAILURE() << "index " << row[0] << ": " << row[2] << " entries read in " << row[1] << " scans";
    // An index of the lists, used for a look-up by id, would be read from end to end, dead entries included.
    for (auto const& row :
         db.query("SELECT indexrelname, idx_scan FROM pg_stat_user_indexes"
                  " WHERE idx_scan > 0 AND (pg_get_indexdef(indexrelid) ~ 'webhook_id, .*, event_type'"
                  "  OR pg_get_indexdef(indexrelid) ~ 'account_id, event_type')"))
        ADD_FAILURE() << "index " << row[0] << " of the lists was used " << row[1] << " times";
    EXPECT_GT(db.number("SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE relname = 'deliveries'"), 0);
}

} // namespace
} // namespace klen::webhooks::store
