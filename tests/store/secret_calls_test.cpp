#include "klen/webhooks/store/delivery_store.hpp"

#include "store/api_store_fixture.hpp"
#include "store/unix_proxy.hpp"

#include <map>

namespace klen::webhooks::store {
namespace {

using namespace test;

class secret_calls : public api_store_fixture {
  protected:
    webhook rotate(webhook const& of, std::string const& key_id, seconds grace) {
        return run(api->rotate_secret(of.account_id, of.id, sealed(key_id), grace)).value();
    }
    /// Key ids of those that sign, newest first: the tests tell secrets by them.
    std::vector<std::string> signing(webhook const& of) {
        std::vector<std::string> out;
        for (auto const& secret : run(api->show_secrets(of.account_id, of.id)).value().secrets)
            out.push_back(secret.key_id);
        return out;
    }
    /// In how many seconds it ends, to the minute or so; 0: never.
    std::int64_t seconds_left(std::string const& key_id) {
        return db.number("SELECT coalesce(round(extract(epoch FROM expires_at - now()) / 60) * 60, 0)::bigint"
                         " FROM webhook_secrets WHERE key_id = '" +
                         key_id + "'");
    }
};

using strings = std::vector<std::string>;
constexpr seconds hour{3600};

TEST_F(secret_calls, a_new_webhook_has_one_secret_without_an_end) {
    auto const made = create("a");
    auto const shown = run(api->show_secrets("a", made.id)).value();
    ASSERT_EQ(shown.secrets.size(), 1U);
    EXPECT_EQ(shown.secrets[0].id, made.secrets[0].id);
    EXPECT_EQ(shown.secrets[0].sealed, (std::vector<std::uint8_t>{1, 2, 0, 255}));
    EXPECT_EQ(shown.secrets[0].expires_at, std::nullopt);
    EXPECT_EQ(shown.name, made.name);
}

TEST_F(secret_calls, a_replaced_secret_signs_until_its_grace_is_over) {
    auto const made = create("a");
    auto const now = rotate(made, "k2", 24 * hour);
    ASSERT_EQ(now.secrets.size(), 2U);
    EXPECT_EQ(now.secrets[0].key_id, "k2");
    EXPECT_EQ(now.secrets[0].expires_at, std::nullopt);
    EXPECT_EQ(now.secrets[1].id, made.secrets[0].id);
    EXPECT_TRUE(now.secrets[1].expires_at);
    EXPECT_EQ(seconds_left("k1"), 24 * 3600);
    EXPECT_GT(now.revision, made.revision);
    EXPECT_GE(now.updated_at, made.updated_at);
    EXPECT_EQ(db.number("SELECT added_revision FROM webhook_secrets WHERE key_id = 'k2'"), now.revision);
    db.query("UPDATE webhook_secrets SET expires_at = now() - interval '1 second' WHERE key_id = 'k1'");
    EXPECT_EQ(signing(made), (strings{"k2"}));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 2); // what it signed can be written again
}

TEST_F(secret_calls, without_a_grace_it_stops_at_once) {
    auto const made = create("a");
    EXPECT_EQ(rotate(made, "k2", seconds(0)).secrets.size(), 1U);
    EXPECT_EQ(signing(made), (strings{"k2"}));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 2);
}

TEST_F(secret_calls, in_a_chain_of_rotations_none_signs_longer_than_the_one_after_it) {
    auto const made = create("a");
    rotate(made, "k2", 10 * hour);
    rotate(made, "k3", 20 * hour); // k1 keeps its end
    EXPECT_EQ(signing(made), (strings{"k3", "k2", "k1"}));
    EXPECT_EQ(seconds_left("k1"), 10 * 3600);
    EXPECT_EQ(seconds_left("k2"), 20 * 3600);
    EXPECT_EQ(seconds_left("k3"), 0);
    rotate(made, "k4", 5 * hour); // all end with k3
    EXPECT_EQ(signing(made), (strings{"k4", "k3", "k2", "k1"}));
    for (auto const* earlier : {"k1", "k2", "k3"})
        EXPECT_EQ(seconds_left(earlier), 5 * 3600) << earlier;
    rotate(made, "k5", seconds(0));
    EXPECT_EQ(signing(made), (strings{"k5"}));
}

TEST_F(secret_calls, the_order_does_not_depend_on_the_clock) {
    auto const made = create("a");
    rotate(made, "k2", hour);
    rotate(made, "k3", hour);
    db.query("UPDATE webhook_secrets SET created_at = now() - added_revision * interval '1 hour'");
    EXPECT_EQ(signing(made), (strings{"k3", "k2", "k1"}));
    auto const queue = make_delivery_store(db.options(), {});
    auto const loaded = run(queue->load_webhooks({made.id})).value();
    ASSERT_EQ(loaded.size(), 1U);
    ASSERT_EQ(loaded[0].secrets.size(), 3U);
    EXPECT_EQ(loaded[0].secrets[0].key_id, "k3");
}

TEST_F(secret_calls, dispatch_signs_with_none_that_has_expired) {
    auto const made = create("a");
    rotate(made, "k2", hour);
    rotate(made, "k3", hour);
    db.query("UPDATE webhook_secrets SET expires_at = now() - interval '1 second' WHERE key_id = 'k2'");
    auto const queue = make_delivery_store(db.options(), {});
    auto const loaded = run(queue->load_webhooks({made.id})).value();
    ASSERT_EQ(loaded.at(0).secrets.size(), 2U);
    EXPECT_EQ(loaded[0].secrets[0].key_id, "k3");
    EXPECT_EQ(loaded[0].secrets[1].key_id, "k1");
}

TEST_F(secret_calls, rotating_again_with_the_same_id_changes_nothing) {
    auto const made = create("a");
    auto fresh = sealed("k2");
    auto const first = run(api->rotate_secret("a", made.id, fresh, hour)).value();
    fresh.key_id = "k9";
    auto const second = run(api->rotate_secret("a", made.id, fresh, seconds(0))).value();
    EXPECT_EQ(second.revision, first.revision);
    EXPECT_EQ(signing(made), (strings{"k2", "k1"}));
    EXPECT_EQ(seconds_left("k1"), 3600);
}

TEST_F(secret_calls, rotating_over_a_link_that_dies_makes_one_secret) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    for (int cut = 0; cut < 7; ++cut) {
        auto const made = create("a");
        ASSERT_TRUE(run(own->show_webhook("a", made.id)));
        proxy.swallow_answer_after(cut);
        auto const done = run(own->rotate_secret("a", made.id, sealed("k2"), hour));
        proxy.pass();
        ASSERT_TRUE(done) << cut << ": " << done.error().message;
        EXPECT_EQ(signing(made), (strings{"k2", "k1"}));
        EXPECT_EQ(seconds_left("k1"), 3600);
        db.query("DELETE FROM webhook_secrets");
    }
}

TEST_F(secret_calls, rotations_at_once_leave_one_newest) {
    auto const made = create("a");
    auto const wide = make_api_store(db.options(), 4);
    auto const answers =
        at_once(8, [&](int) { return run(wide->rotate_secret("a", made.id, sealed("fresh"), seconds(3600))); });
    for (auto const& got : answers)
        EXPECT_TRUE(*got) << got->error().message;
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE expires_at IS NULL"), 1);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 9);
    EXPECT_EQ(db.number("SELECT count(DISTINCT added_revision) FROM webhook_secrets"), 9);
}

TEST_F(secret_calls, so_many_secrets_may_sign_that_headers_stay_short) {
    auto const made = create("a");
    for (int i = 2; i <= 10; ++i)
        rotate(made, "k" + std::to_string(i), hour);
    EXPECT_EQ(signing(made).size(), 10U);
    auto const revision = run(api->show_webhook("a", made.id)).value().revision;
    EXPECT_EQ(run(api->rotate_secret("a", made.id, sealed("k11"), hour)).error().kind, fault::conflict);
    EXPECT_EQ(run(api->show_webhook("a", made.id)).value().revision, revision);
    EXPECT_EQ(signing(made).size(), 10U);
    EXPECT_EQ(seconds_left("k10"), 0);
    rotate(made, "k12", seconds(0)); // the way out, when one has leaked
    EXPECT_EQ(signing(made), (strings{"k12"}));
    rotate(made, "k13", hour);
    EXPECT_EQ(signing(made), (strings{"k13", "k12"}));
}

TEST_F(secret_calls, anothers_secrets_are_not_found) {
    auto const made = create("a");
    EXPECT_EQ(run(api->show_secrets("b", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->rotate_secret("b", made.id, sealed("k2"), hour)).error().kind, fault::not_found);
    EXPECT_EQ(signing(made), (strings{"k1"}));
    EXPECT_EQ(run(api->show_secrets("a", made.id)).value().revision, made.revision);
    EXPECT_EQ(run(api->rotate_secret("a", make_id<webhook_id>(), sealed(), hour)).error().kind, fault::not_found);
}

// --- sealing anew ----------------------------------------------------------------------------------------------------

class resealing : public secret_calls {
  protected:
    using step = api_store::reseal_step;

    result<sealed_secret> again(sealed_secret const& old, std::string const& account_id) {
        accounts[old.id] = account_id;
        if (old.key_id == "lost")
            return failure{fault::corrupt, "does not open"};
        auto out = old;
        out.key_id = "new";
        out.sealed.push_back(7);
        return out;
    }
    step take_step(secret_id after, std::uint32_t limit) {
        std::function<result<sealed_secret>(sealed_secret const&, std::string const&)> sealing =
            [this](sealed_secret const& old, std::string const& account_id) { return again(old, account_id); };
        return run(api->reseal_secrets(after, limit, "new", std::move(sealing))).value();
    }
    std::vector<step> take_all_steps(std::uint32_t limit) {
        std::vector<step> out{take_step({}, limit)};
        while (!out.back().last.value.is_nil())
            out.push_back(take_step(out.back().last, limit));
        return out;
    }

    std::map<secret_id, std::string> accounts; ///< of what was given to `again`
};

TEST_F(resealing, it_goes_through_all_in_batches_and_ends) {
    std::map<secret_id, std::string> expected;
    for (int i = 0; i < 7; ++i) {
        auto const account = "account " + std::to_string(i);
        expected[create(account).secrets[0].id] = account;
    }
    std::vector<std::uint64_t> changed;
    for (auto const& one : take_all_steps(3))
        changed.push_back(one.changed);
    EXPECT_EQ(changed, (std::vector<std::uint64_t>{3, 3, 1, 0}));
    EXPECT_EQ(accounts, expected);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE key_id = 'new' AND sealed = '\\x010200ff07'"), 7);
    EXPECT_TRUE(take_step({}, 3).last.value.is_nil());
}

TEST_F(resealing, its_webhooks_get_a_new_revision_and_are_told_of) {
    auto const made = create("a");
    rotate(made, "new", hour);
    auto const untouched = create("b");
    ASSERT_TRUE(run(api->rotate_secret("b", untouched.id, sealed("new"), seconds(0))));
    db.query("DELETE FROM webhook_secrets WHERE key_id <> 'new' AND expires_at < now()");
    db.query("UPDATE webhooks SET changed_at = now() - interval '1 hour'");
    auto const before = run(api->show_webhook("a", made.id)).value();
    auto const start = run(api->changes_since("")).value();
    EXPECT_EQ(take_step({}, 100).changed, 1U);
    auto const now = run(api->show_webhook("a", made.id)).value();
    EXPECT_GT(now.revision, before.revision);
    EXPECT_EQ(now.updated_at, before.updated_at); // the customer has changed nothing
    EXPECT_EQ(run(api->changes_since(start.cursor)).value().webhooks, (std::vector{std::pair{made.id, now.revision}}));
}

TEST_F(resealing, expired_secrets_and_those_of_deleted_webhooks_are_sealed_anew_too) {
    auto const made = create("a");
    rotate(made, "k2", seconds(0));
    ASSERT_TRUE(run(api->delete_webhook("a", made.id)));
    EXPECT_EQ(take_step({}, 100).changed, 2U);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE key_id = 'new'"), 2);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE expires_at IS NULL"), 1);
}

TEST_F(resealing, one_that_does_not_open_is_told_and_keeps_nobody_back) {
    auto const broken = run(api->create_webhook(sample("a"), sealed("lost"))).value();
    create("a");
    auto const steps = take_all_steps(1);
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0].last, broken.secrets[0].id);
    EXPECT_EQ(steps[0].changed, 0U);
    ASSERT_EQ(steps[0].refused.size(), 1U);
    EXPECT_EQ(steps[0].refused[0].first, broken.id);
    EXPECT_EQ(steps[0].refused[0].second.message, "does not open");
    EXPECT_EQ(steps[1].changed, 1U);
    EXPECT_EQ(db.value("SELECT string_agg(key_id, ',' ORDER BY key_id) FROM webhook_secrets"), "lost,new");
    EXPECT_EQ(run(api->show_webhook("a", broken.id)).value().revision, broken.revision);
}

TEST_F(resealing, one_that_does_not_open_and_signs_nothing_any_more_is_only_counted) {
    auto const replaced = run(api->create_webhook(sample("a"), sealed("lost"))).value();
    rotate(replaced, "new", seconds(0));
    auto const deleted = run(api->create_webhook(sample("a"), sealed("lost"))).value();
    ASSERT_TRUE(run(api->delete_webhook("a", deleted.id)));
    auto const grace = run(api->create_webhook(sample("a"), sealed("lost"))).value();
    rotate(grace, "new", hour);
    auto const done = take_step({}, 100);
    EXPECT_EQ(done.left, 2U);
    ASSERT_EQ(done.refused.size(), 1U);
    EXPECT_EQ(done.refused[0].first, grace.id);
}

TEST_F(resealing, a_secret_that_another_sealed_meanwhile_is_left_alone) {
    auto const made = create("a");
    std::function<result<sealed_secret>(sealed_secret const&, std::string const&)> sealing =
        [this](sealed_secret const& old, std::string const&) -> result<sealed_secret> {
        db.query("UPDATE webhook_secrets SET key_id = 'faster', sealed = '\\x09'");
        auto out = old;
        out.key_id = "new";
        return out;
    };
    EXPECT_EQ(run(api->reseal_secrets({}, 10, "new", std::move(sealing))).value().changed, 0U);
    EXPECT_EQ(db.value("SELECT key_id || sealed::text FROM webhook_secrets"), "faster\\x09");
    EXPECT_EQ(run(api->show_webhook("a", made.id)).value().revision, made.revision);
}

TEST_F(resealing, it_and_rotations_do_not_block_each_other) {
    std::vector<webhook> made;
    for (int i = 0; i < 6; ++i)
        made.push_back(create("a"));
    auto const wide = make_api_store(db.options(), 4);
    auto const answers = at_once(8, [&](int i) -> result<void> {
        for (int round = 0; round < 10; ++round) {
            if (i % 2 == 0) {
                auto const& one = made[static_cast<std::size_t>(round + i) % made.size()];
                auto const done = run(wide->rotate_secret("a", one.id, sealed("old"), seconds(0)));
                if (!done)
                    return done.error();
                continue;
            }
            std::function<result<sealed_secret>(sealed_secret const&, std::string const&)> sealing =
                [](sealed_secret const& old, std::string const&) -> result<sealed_secret> {
                auto out = old;
                out.key_id = "new";
                return out;
            };
            auto const done = run(wide->reseal_secrets({}, 100, "new", std::move(sealing)));
            if (!done)
                return done.error();
        }
        return {};
    });
    for (auto const& got : answers)
        EXPECT_TRUE(*got) << got->error().message;
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE expires_at IS NULL"), 6);
}

} // namespace
} // namespace klen::webhooks::store
