#pragma once

#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include "store/store_support.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::store {

using namespace test;
using policy::decision;
using policy::error_class;

/// A webhook `hook` of account "a" that gets everything, and deliveries that come into being as they do in the daemon:
/// published, born leased, recorded.
class history_fixture : public testing::Test {
  protected:
    history_fixture()
        : queue(make_delivery_store(db.options(), rules())), history(make_history_store(db.options(), 2)),
          me(run(queue->register_instance("test")).value()), hook(add_webhook(db, "a", {"*"})) {
        gate.set({me, 100'000, {}});
        writer = event_writer::create(db.options(), intake_limits(), gate);
    }

    static delivery_config rules() {
        delivery_config out;
        out.disable_after = hours(120);
        out.header_prefix = "X-Klen-";
        out.user_agent = "klen-webhooks/test";
        return out;
    }

    /// Stores an event; returns its deliveries, leased.
    std::vector<claimed_delivery> publish_all(std::string const& type = "call.ended",
                                              std::string const& account = "a") {
        auto const before = gate.taken().size();
        auto const stored = submit(*writer, make_event(account, type, "{\"x\":1}")).get();
        EXPECT_TRUE(stored);
        std::vector<claimed_delivery> out;
        auto const taken = gate.taken();
        for (std::size_t i = before; i < taken.size(); ++i)
            out.push_back(taken[i].second);
        return out;
    }
    claimed_delivery publish(std::string const& type = "call.ended") { return publish_all(type).at(0); }

    static attempt_record attempt_of(claimed_delivery const& one, decision what,
                                     error_class error = error_class::none) {
        auto out = attempt_of_delivery(one, what, error);
        out.verdict.wait = hours(1);
        return out;
    }
    void record(claimed_delivery const& one, decision what, error_class error = error_class::none) {
        auto const done = run(queue->record(me, {attempt_of(one, what, error)}));
        ASSERT_TRUE(done) << done.error().message;
        ASSERT_TRUE(done->lost.empty());
    }
    /// A whole delivery with one attempt that decided so.
    delivery_id finish(decision what, error_class error = error_class::none, std::string const& type = "call.ended") {
        auto const one = publish(type);
        record(one, what, error);
        return one.id;
    }
    delivery_id failed(std::string const& type = "call.ended") {
        return finish(decision::failed, error_class::http_status, type);
    }
    delivery_id waiting(std::string const& type = "call.ended") {
        return finish(decision::retry, error_class::timeout, type);
    }

    /// What the lane of `hook` fetches.
    std::vector<claimed_delivery> fetch(std::uint32_t room = 1000) {
        auto got = run(queue->claim_parked(me, {{hook, room}}));
        EXPECT_TRUE(got);
        return got->deliveries;
    }

    result<delivery_row> resend(delivery_id id, std::string const& account = "a") {
        return run(history->resend(account, id, make_uuid_v7()));
    }
    delivery_row state(delivery_id id) { return run(history->show_delivery("a", id, {})).value().delivery; }
    slice_of<delivery_row> list(delivery_filter filter = {}) {
        auto got = run(history->list_deliveries("a", hook, std::move(filter)));
        EXPECT_TRUE(got) << got.error().message;
        return got ? *got : slice_of<delivery_row>{};
    }
    std::vector<delivery_id> ids(delivery_filter filter = {}) {
        std::vector<delivery_id> out;
        for (auto const& one : list(std::move(filter)).items)
            out.push_back(one.id);
        return out;
    }
    void sql(std::string const& what) { db.query(what); }
    std::string text_of(webhook_id id) const { return "'" + id.text() + "'"; }

    test_database db;
    std::unique_ptr<delivery_store> queue;
    std::unique_ptr<history_store> history;
    instance_id me;
    webhook_id hook;
    fake_gate gate;
    std::unique_ptr<event_writer> writer;
};

inline std::vector<delivery_id> newest_first(std::vector<delivery_id> ids) {
    std::ranges::sort(ids, std::greater<>());
    return ids;
}

} // namespace klen::webhooks::store
