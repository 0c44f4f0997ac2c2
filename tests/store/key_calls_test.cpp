#include "store/api_store_fixture.hpp"
#include "store/unix_proxy.hpp"

namespace klen::webhooks::store {
namespace {

using namespace test;

class key_calls : public api_store_fixture {
  protected:
    static api_key_row sample_key(std::optional<std::string> account, std::uint8_t seed) {
        api_key_row out;
        out.account_id = std::move(account);
        out.name = "key " + std::to_string(seed);
        out.hash.fill(seed);
        out.hint = "klen_abc";
        out.permissions = {"publish", "read"};
        return out;
    }
    api_key_row make(std::optional<std::string> account, std::uint8_t seed) {
        return run(api->create_api_key(sample_key(std::move(account), seed))).value();
    }
    std::vector<std::string> names(key_scope scope, page_request page = {}) {
        std::vector<std::string> out;
        for (auto const& one : run(api->list_api_keys(std::move(scope), page)).value().items)
            out.push_back(one.name);
        return out;
    }
    void use(std::vector<std::pair<api_key_id, wall_time>> what) { ASSERT_TRUE(run(api->note_key_use(what))); }
    void age_changes() { db.query("UPDATE api_keys SET changed_at = now() - interval '1 hour'"); }
};

using strings = std::vector<std::string>;
key_scope const everything;
wall_time const noon{std::chrono::seconds(1'790'000'000)};

TEST_F(key_calls, a_key_comes_back_as_it_was_given) {
    auto key = sample_key("a", 7);
    key.max_requests_per_second = 30;
    auto const made = run(api->create_api_key(key)).value();
    EXPECT_FALSE(made.id.value.is_nil());
    EXPECT_EQ(made.account_id, "a");
    EXPECT_EQ(made.name, "key 7");
    EXPECT_EQ(made.hash, key.hash);
    EXPECT_EQ(made.hint, "klen_abc");
    EXPECT_EQ(made.permissions, key.permissions);
    EXPECT_EQ(made.max_requests_per_second, 30);
    EXPECT_FALSE(made.revoked);
    EXPECT_EQ(made.revoked_at, std::nullopt);
    EXPECT_EQ(made.last_used_at, std::nullopt);
    auto const platform = make(std::nullopt, 8);
    EXPECT_EQ(platform.account_id, std::nullopt);
    EXPECT_EQ(platform.max_requests_per_second, std::nullopt);
    EXPECT_EQ(run(api->create_api_key(sample_key("a", 7))).error().kind, fault::database_refused); // the same key again
    EXPECT_EQ(run(api->list_api_keys()).value().size(), 2U);
}

TEST_F(key_calls, a_start_reads_no_revoked_keys_and_a_later_look_does) {
    auto const valid = make("a", 1);
    auto const revoked = make("a", 2);
    ASSERT_TRUE(run(api->revoke_api_key(everything, revoked.id)));
    auto const start = run(api->changes_since("")).value();
    ASSERT_EQ(start.api_keys.size(), 1U);
    EXPECT_EQ(start.api_keys.front().id, valid.id);
    EXPECT_EQ(run(api->changes_since(start.cursor)).value().api_keys.size(), 2U);
}

TEST_F(key_calls, creating_again_replaces_a_key_that_nobody_has_seen) {
    auto const first = make("a", 1);
    age_changes();
    auto const start = run(api->changes_since("")).value();
    auto again = sample_key("a", 2);
    again.id = first.id;
    again.hint = "klen_xyz";
    auto const second = run(api->create_api_key(again)).value();
    EXPECT_EQ(second.hash, again.hash);
    EXPECT_EQ(second.hint, "klen_xyz");
    EXPECT_EQ(second.name, first.name);
    EXPECT_EQ(run(api->list_api_keys()).value().size(), 1U);
    EXPECT_EQ(run(api->changes_since(start.cursor)).value().api_keys.size(), 1U);
}

TEST_F(key_calls, creating_again_leaves_a_key_that_was_used_or_revoked_or_is_anothers) {
    auto const used = make("a", 1);
    use({{used.id, noon}});
    auto const revoked = make("a", 2);
    ASSERT_TRUE(run(api->revoke_api_key(everything, revoked.id)));
    for (auto const& before : {used, revoked}) {
        auto again = sample_key("a", 9);
        again.id = before.id;
        EXPECT_EQ(run(api->create_api_key(again)).value().hash, before.hash);
    }
    auto foreign = sample_key("b", 9);
    foreign.id = make("a", 3).id;
    EXPECT_EQ(run(api->create_api_key(foreign)).error().kind, fault::not_found);
    foreign.account_id.reset();
    EXPECT_FALSE(run(api->create_api_key(foreign)).has_value() &&
                 db.number("SELECT count(*) FROM api_keys WHERE hash = '\\x" + std::string(64, '9') + "'") > 0);
    EXPECT_EQ(db.number("SELECT count(*) FROM api_keys WHERE get_byte(hash, 0) = 9"), 0);
}

TEST_F(key_calls, an_account_has_so_many_keys_that_are_not_revoked) {
    auto const add = [&](std::optional<std::string> account, std::uint8_t seed) {
        return run(api->create_api_key(sample_key(std::move(account), seed), 2));
    };
    auto const first = add("a", 1).value();
    ASSERT_TRUE(add("a", 2));
    EXPECT_EQ(add("a", 3).error().kind, fault::conflict);
    EXPECT_TRUE(add("b", 4)) << "others are not affected";
    for (std::uint8_t i = 5; i < 9; ++i)
        EXPECT_TRUE(add(std::nullopt, i)) << "nor are platform keys";
    auto again = sample_key("a", 9);
    again.id = first.id;
    EXPECT_EQ(run(api->create_api_key(again, 2)).value().id, first.id) << "a repeat makes none";
    again.account_id = "b";
    EXPECT_EQ(run(api->create_api_key(again, 2)).error().kind, fault::not_found);
    ASSERT_TRUE(run(api->revoke_api_key("a", first.id)));
    EXPECT_TRUE(add("a", 10));
    EXPECT_EQ(add("a", 11).error().kind, fault::conflict);
    EXPECT_TRUE(run(api->create_api_key(sample_key("a", 12))));
}

TEST_F(key_calls, of_many_keys_at_once_no_more_are_made_than_allowed) {
    auto const wide = make_api_store(db.options(), 6);
    auto const made = at_once(
        12, [&](int i) { return run(wide->create_api_key(sample_key("a", static_cast<std::uint8_t>(i + 1)), 5)); });
    EXPECT_EQ(std::ranges::count_if(made, [](auto const& got) { return got->has_value(); }), 5);
    EXPECT_EQ(db.number("SELECT count(*) FROM api_keys"), 5);
}

TEST_F(key_calls, a_link_that_dies_in_a_create_makes_one_key_at_the_limit_too) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    for (int cut = 0; cut < 5; ++cut) {
        auto key = sample_key("cut " + std::to_string(cut), static_cast<std::uint8_t>(cut + 1));
        key.id = make_id<api_key_id>();
        ASSERT_TRUE(run(own->event_types()));
        proxy.swallow_answer_after(cut);
        auto const got = run(own->create_api_key(key, 1));
        proxy.pass();
        ASSERT_TRUE(got) << cut << ": " << got.error().message;
        EXPECT_EQ(got->id, key.id);
        EXPECT_EQ(got->hash, key.hash);
    }
}

TEST_F(key_calls, lists_are_paged_newest_first_within_their_scope) {
    for (std::uint8_t i = 1; i <= 5; ++i)
        make("a", i);
    make("b", 6);
    make(std::nullopt, 7);
    EXPECT_EQ(names("a", {1, 2}), (strings{"key 5", "key 4"}));
    EXPECT_EQ(names("a", {3, 2}), (strings{"key 1"}));
    EXPECT_EQ(names("b"), (strings{"key 6"}));
    EXPECT_EQ(names("nobody"), (strings{}));
    EXPECT_EQ(names(everything, {1, 3}), (strings{"key 7", "key 6", "key 5"}));
    EXPECT_EQ(run(api->list_api_keys("a", {1, 2})).value().count, 5U);
    EXPECT_EQ(run(api->list_api_keys(everything, {9, 2})).value().count, 7U);
}

TEST_F(key_calls, a_key_is_found_within_its_scope_only) {
    auto const made = make("a", 1);
    auto const platform = make(std::nullopt, 2);
    EXPECT_EQ(run(api->show_api_key("a", made.id)).value().name, "key 1");
    EXPECT_EQ(run(api->show_api_key(everything, made.id)).value().name, "key 1");
    EXPECT_EQ(run(api->show_api_key(everything, platform.id)).value().name, "key 2");
    EXPECT_EQ(run(api->show_api_key("b", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->show_api_key("a", platform.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->show_api_key("", platform.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->show_api_key(everything, make_id<api_key_id>())).error().kind, fault::not_found);
    EXPECT_EQ(run(api->revoke_api_key("b", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->revoke_api_key("a", platform.id)).error().kind, fault::not_found);
    EXPECT_EQ(db.number("SELECT count(*) FROM api_keys WHERE revoked_at IS NOT NULL"), 0);
}

TEST_F(key_calls, a_revoked_key_stays_as_it_is) {
    auto const made = make("a", 1);
    age_changes();
    auto const start = run(api->changes_since("")).value();
    auto const first = run(api->revoke_api_key("a", made.id)).value();
    EXPECT_TRUE(first.revoked);
    EXPECT_TRUE(first.revoked_at);
    auto const seen = run(api->changes_since(start.cursor)).value().api_keys;
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].revoked);
    age_changes();
    auto const second = run(api->revoke_api_key("a", made.id)).value();
    EXPECT_EQ(second.revoked_at, first.revoked_at);
    EXPECT_TRUE(run(api->changes_since(start.cursor)).value().api_keys.empty());
}

TEST_F(key_calls, the_last_use_is_the_latest_that_was_told) {
    auto const one = make("a", 1), two = make("b", 2), never = make("b", 3);
    age_changes();
    auto const start = run(api->changes_since("")).value();
    use({{one.id, noon}, {two.id, noon + seconds(5)}, {one.id, noon + seconds(9)}, {one.id, noon - seconds(9)}});
    use({{two.id, noon}, {make_id<api_key_id>(), noon}});
    use({});
    EXPECT_EQ(run(api->show_api_key(everything, one.id)).value().last_used_at, noon + seconds(9));
    EXPECT_EQ(run(api->show_api_key(everything, two.id)).value().last_used_at, noon + seconds(5));
    EXPECT_EQ(run(api->show_api_key(everything, never.id)).value().last_used_at, std::nullopt);
    EXPECT_TRUE(run(api->changes_since(start.cursor)).value().api_keys.empty()); // nothing that others must know
}

TEST_F(key_calls, several_daemons_may_tell_uses_of_the_same_keys) {
    std::vector<api_key_id> ids;
    for (std::uint8_t i = 1; i <= 40; ++i)
        ids.push_back(make("a", i).id);
    auto const wide = make_api_store(db.options(), 4);
    auto const answers = at_once(8, [&](int daemon) {
        result<void> out;
        for (int round = 0; round < 10 && out; ++round) {
            std::vector<std::pair<api_key_id, wall_time>> uses;
            for (auto const& id : ids)
                uses.emplace_back(id, noon + seconds(round * 10 + daemon));
            if (daemon % 2 == 0)
                std::ranges::reverse(uses);
            out = run(wide->note_key_use(std::move(uses)));
        }
        return out;
    });
    for (auto const& got : answers)
        EXPECT_TRUE(*got) << got->error().message;
    for (auto const& id : ids)
        EXPECT_EQ(run(api->show_api_key("a", id)).value().last_used_at, noon + seconds(97));
}

TEST_F(key_calls, many_keys_of_one_account_are_reached_by_an_index) {
    db.query("INSERT INTO api_keys (api_key_id, account_id, name, hash, hint, permissions)"
             " SELECT gen_random_uuid(), 'account ' || i % 1000, 'n', sha256(i::text::bytea), 'h', '{}'"
             " FROM generate_series(1, 20000) i");
    db.query("ANALYZE api_keys");
    db.query("SELECT pg_stat_force_next_flush()");
    db.query("SELECT pg_stat_reset()");
    for (int i = 0; i < 8; ++i) // past the first few, whose plans are made for their parameters
        EXPECT_EQ(run(api->list_api_keys("account 7", {2, 5})).value().count, 20U);
    api.reset(); // sessions report their counts when they end
    ASSERT_TRUE(eventually([&] {
        return db.number("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'api_keys_of'") >= 16;
    }));
    EXPECT_EQ(db.number("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'api_keys'"), 0);
}

} // namespace
} // namespace klen::webhooks::store
