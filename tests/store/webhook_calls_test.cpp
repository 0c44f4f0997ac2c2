#include "store/api_store_fixture.hpp"
#include "store/unix_proxy.hpp"

#include <set>

namespace klen::webhooks::store {
namespace {

using namespace test;

class webhook_calls : public api_store_fixture {
  protected:
    /// Names of what a list shows, newest first.
    std::vector<std::string> names(webhook_filter filter) {
        auto const found = run(api->list_webhooks(std::move(filter), {})).value();
        std::vector<std::string> out;
        for (auto const& one : found.items)
            out.push_back(one.name);
        EXPECT_EQ(found.count, out.size());
        return out;
    }
    std::vector<std::string> names_with(std::string const& text) {
        return names({.account_id = "a", .enabled = {}, .event_type = "", .text = text});
    }
    webhook named(std::string const& account, std::string const& name, std::string const& url = "https://e.com/") {
        auto what = sample(account);
        what.name = name;
        what.url = url;
        return create(what);
    }
    std::string versions(webhook const& of) {
        return db.value("SELECT coalesce(string_agg(revision || ' ' || url || ' ' || headers::text, '|' ORDER BY"
                        " revision), '') FROM webhook_versions WHERE webhook_id = '" +
                        of.id.text() + "'");
    }
};

using strings = std::vector<std::string>;

// --- create ----------------------------------------------------------------------------------------------------------

TEST_F(webhook_calls, a_webhook_comes_back_as_it_was_given) {
    auto const made = create("a");
    EXPECT_FALSE(made.id.value.is_nil());
    EXPECT_GT(made.revision, 0);
    ASSERT_EQ(made.secrets.size(), 1U);
    EXPECT_EQ(made.secrets[0].key_id, "k1");
    auto const shown = run(api->show_webhook("a", made.id)).value();
    auto const given = sample("a");
    EXPECT_EQ(shown.name, given.name);
    EXPECT_EQ(shown.url, given.url);
    EXPECT_EQ(shown.description, given.description);
    EXPECT_EQ(shown.subscribed_events, given.subscribed_events);
    EXPECT_EQ(shown.headers, given.headers);
    EXPECT_EQ(shown.metadata, given.metadata);
    EXPECT_EQ(shown.max_concurrency, 7);
    EXPECT_EQ(shown.max_rate_per_second, std::nullopt);
    EXPECT_TRUE(shown.enabled);
    EXPECT_EQ(shown.disabled_reason, "");
    EXPECT_EQ(shown.disabled_note, "");
    EXPECT_LT(std::chrono::abs(shown.created_at - std::chrono::system_clock::now()), std::chrono::minutes(1));
    EXPECT_EQ(db.value("SELECT encode(sealed, 'hex') || ' ' || key_id FROM webhook_secrets"), "010200ff k1");
}

TEST_F(webhook_calls, its_first_version_and_secret_carry_its_revision) {
    auto const made = create("a");
    auto const revision = std::to_string(made.revision);
    EXPECT_EQ(versions(made), revision + " https://example.com/hook [[\"X-B\",\"2\"],[\"X-A\",\"a,\\\"b\\\"{}\\\\\"]]");
    EXPECT_EQ(db.value("SELECT added_revision FROM webhook_secrets"), revision);
}

TEST_F(webhook_calls, a_webhook_may_be_created_disabled) {
    auto given = sample("a");
    given.enabled = false;
    given.disabled_note = "not yet";
    auto const made = create(given);
    EXPECT_FALSE(made.enabled);
    EXPECT_EQ(made.disabled_reason, "requested");
    EXPECT_EQ(made.disabled_note, "not yet");
    EXPECT_TRUE(made.disabled_at);
}

TEST_F(webhook_calls, creating_over_a_link_that_dies_makes_one_webhook) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    ASSERT_TRUE(run(own->create_webhook(sample("a"), sealed(), 100)));
    for (int cut = 0; cut < 5; ++cut) {
        proxy.swallow_answer_after(cut);
        auto const made = run(own->create_webhook(sample("a"), sealed(), 100));
        proxy.pass();
        EXPECT_TRUE(made) << cut << ": " << made.error().message;
    }
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 6);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 6);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_versions"), 6);
}

TEST_F(webhook_calls, creating_again_with_the_same_id_changes_nothing) {
    auto what = sample("a");
    what.id = make_id<webhook_id>();
    auto const first = run(api->create_webhook(what, sealed(), 1)).value();
    what.name = "another";
    auto const second = run(api->create_webhook(what, sealed("k2"), 1)).value();
    EXPECT_EQ(second.name, first.name);
    EXPECT_EQ(second.revision, first.revision);
    ASSERT_EQ(second.secrets.size(), 1U);
    EXPECT_EQ(second.secrets[0].id, first.secrets[0].id);
    EXPECT_EQ(second.secrets[0].key_id, "k1");
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 1);
}

TEST_F(webhook_calls, anothers_id_is_not_taken_over) {
    auto const made = create("a");
    auto what = sample("b");
    what.id = made.id;
    EXPECT_FALSE(run(api->create_webhook(what, sealed())));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 1);
}

TEST_F(webhook_calls, an_account_has_at_most_so_many_and_a_deleted_one_makes_room) {
    auto const first = run(api->create_webhook(sample("a"), sealed(), 2)).value();
    ASSERT_TRUE(run(api->create_webhook(sample("a"), sealed(), 2)));
    EXPECT_EQ(run(api->create_webhook(sample("a"), sealed(), 2)).error().kind, fault::conflict);
    EXPECT_TRUE(run(api->create_webhook(sample("b"), sealed(), 2)));
    ASSERT_TRUE(run(api->delete_webhook("a", first.id)));
    EXPECT_TRUE(run(api->create_webhook(sample("a"), sealed(), 2)));
    EXPECT_TRUE(run(api->create_webhook(sample("a"), sealed(), 0)));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), db.number("SELECT count(*) FROM webhooks"));
}

TEST_F(webhook_calls, the_limit_of_an_account_holds_when_many_are_created_at_once) {
    auto const wide = make_api_store(db.options(), 8);
    auto const answers = at_once(24, [&](int) { return run(wide->create_webhook(sample("a"), sealed(), 5)); });
    EXPECT_EQ(std::ranges::count_if(answers, [](auto const& got) { return got->has_value(); }), 5);
    for (auto const& got : answers)
        EXPECT_TRUE(*got || got->error().kind == fault::conflict) << got->error().message;
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 5);
}

// --- list and show ---------------------------------------------------------------------------------------------------

TEST_F(webhook_calls, anothers_webhook_is_not_found) {
    auto const made = create("a");
    EXPECT_EQ(run(api->show_webhook("b", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->change_webhook("b", made.id, {})).error().kind, fault::not_found);
    webhook_change what;
    what.name = "mine now";
    EXPECT_EQ(run(api->change_webhook("b", made.id, what)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->delete_webhook("b", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->show_webhook("a", made.id)).value().revision, made.revision);
    EXPECT_EQ(run(api->show_webhook("a", make_id<webhook_id>())).error().kind, fault::not_found);
}

TEST_F(webhook_calls, lists_are_paged_and_counted_newest_first) {
    std::vector<webhook_id> made;
    for (int i = 0; i < 5; ++i)
        made.push_back(create("a").id);
    create("b");
    webhook_filter const of_a{.account_id = "a", .enabled = {}, .event_type = "", .text = ""};
    auto const first = run(api->list_webhooks(of_a, {1, 2})).value();
    EXPECT_EQ(first.count, 5U);
    ASSERT_EQ(first.items.size(), 2U);
    EXPECT_EQ(first.items[0].id, made[4]);
    auto const last = run(api->list_webhooks(of_a, {3, 2})).value();
    ASSERT_EQ(last.items.size(), 1U);
    EXPECT_EQ(last.items[0].id, made[0]);
    auto const past = run(api->list_webhooks(of_a, {9, 2})).value();
    EXPECT_EQ(past.count, 5U);
    EXPECT_TRUE(past.items.empty());
    auto const all = run(api->list_webhooks({}, {1, 4})).value();
    EXPECT_EQ(all.count, 6U);
    ASSERT_EQ(all.items.size(), 4U);
    EXPECT_EQ(all.items[0].account_id, "b");
}

TEST_F(webhook_calls, a_list_shows_the_enabled_or_the_disabled_ones) {
    named("a", "on");
    auto off = sample("a");
    off.name = "off";
    off.enabled = false;
    create(off);
    auto const with = [](std::optional<bool> enabled) {
        return webhook_filter{.account_id = "a", .enabled = enabled, .event_type = "", .text = ""};
    };
    EXPECT_EQ(names(with(true)), (strings{"on"}));
    EXPECT_EQ(names(with(false)), (strings{"off"}));
    EXPECT_EQ(names(with(std::nullopt)), (strings{"off", "on"}));
}

TEST_F(webhook_calls, a_list_shows_whom_an_event_of_a_type_would_go_to) {
    for (auto const& [name, events] : {std::pair{"all", strings{"*"}}, std::pair{"calls", strings{"call.*"}},
                                       std::pair{"ended", strings{"call.ended", "calendar.created"}},
                                       std::pair{"calendar", strings{"calendar.*"}}}) {
        auto what = sample("a");
        what.name = name;
        what.subscribed_events = events;
        create(what);
    }
    auto const with = [](std::string type) {
        return webhook_filter{.account_id = "a", .enabled = {}, .event_type = std::move(type), .text = ""};
    };
    EXPECT_EQ(names(with("call.ended")), (strings{"ended", "calls", "all"}));
    EXPECT_EQ(names(with("call.started")), (strings{"calls", "all"}));
    EXPECT_EQ(names(with("calendar.created")), (strings{"calendar", "ended", "all"}));
    EXPECT_EQ(names(with("other.thing")), (strings{"all"}));
    EXPECT_EQ(names(with("call.'); DROP TABLE webhooks; --")), (strings{"calls", "all"}));
    EXPECT_EQ(names(with("{*}")), (strings{"all"}));
}

TEST_F(webhook_calls, a_list_finds_text_in_name_and_url_whatever_its_case) {
    named("a", "Billing", "https://a.example/Hook");
    named("a", "Büro Köln", "https://b.example/");
    named("b", "Billing");
    EXPECT_EQ(names_with("bill"), (strings{"Billing"}));
    EXPECT_EQ(names_with("LLIN"), (strings{"Billing"}));
    EXPECT_EQ(names_with("/hOOK"), (strings{"Billing"}));
    EXPECT_EQ(names_with("b.example"), (strings{"Büro Köln"}));
    EXPECT_EQ(names_with("BÜRO kÖ"), (strings{"Büro Köln"}));
    EXPECT_EQ(names_with("nowhere"), (strings{}));
    EXPECT_EQ(names({.account_id = {}, .enabled = {}, .event_type = "", .text = "billing"}).size(), 2U);
}

TEST_F(webhook_calls, text_to_find_means_nothing_but_itself) {
    strings const hostile{"100%",   "a_b",  "back\\slash", "it's",  "\"quoted\"", "%' OR true --",
                          "😀 call", "$1::", "[a-z]*",      "tab\t", "\\%"};
    for (auto const& name : hostile)
        named("a", name);
    named("a", "plain");
    for (auto const& name : hostile)
        EXPECT_EQ(std::ranges::count(names_with(name), name), 1) << name;
    EXPECT_EQ(names_with("%"), (strings{"\\%", "%' OR true --", "100%"}));
    EXPECT_EQ(names_with("_"), (strings{"a_b"}));
    EXPECT_EQ(names_with("\\"), (strings{"\\%", "back\\slash"}));
    EXPECT_EQ(names_with("😀"), (strings{"😀 call"}));
    EXPECT_EQ(names_with("\xff"), (strings{}));
    EXPECT_EQ(names_with(std::string("pl\0ain", 6)), (strings{}));
    EXPECT_EQ(names_with(std::string(100'000, 'x')), (strings{}));
}

TEST_F(webhook_calls, filters_are_combined) {
    named("a", "one");
    auto two = sample("a");
    two.name = "one more";
    two.enabled = false;
    two.subscribed_events = {"*"};
    create(two);
    EXPECT_EQ(names({.account_id = "a", .enabled = false, .event_type = "x.y", .text = "ONE"}), (strings{"one more"}));
    EXPECT_EQ(names({.account_id = "a", .enabled = true, .event_type = "x.y", .text = "ONE"}), (strings{}));
    EXPECT_EQ(names({.account_id = "b", .enabled = {}, .event_type = "", .text = "one"}), (strings{}));
}

TEST_F(webhook_calls, many_webhooks_of_other_accounts_cost_a_list_nothing) {
    db.query("INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events) SELECT gen_random_uuid(),"
             " 'account ' || i % 1000, 'n', 'http://x', ARRAY['*'] FROM generate_series(1, 20000) i");
    db.query("ANALYZE webhooks");
    db.query("SELECT pg_stat_force_next_flush()");
    db.query("SELECT pg_stat_reset()");
    webhook_filter const filter{.account_id = "account 7", .enabled = true, .event_type = "x.y", .text = "N"};
    for (int i = 0; i < 8; ++i) // past the first few, whose plans are made for their parameters
        EXPECT_EQ(run(api->list_webhooks(filter, {2, 5})).value().count, 20U);
    api.reset(); // sessions report their counts when they end
    ASSERT_TRUE(eventually(
        [&] { return db.number("SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE relname = 'webhooks'") >= 16; }));
    EXPECT_EQ(db.number("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'webhooks'"), 0);
    EXPECT_LE(db.number("SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'webhooks'"), 16 * 20);
}

// --- change ----------------------------------------------------------------------------------------------------------

TEST_F(webhook_calls, a_change_sets_what_it_names_and_leaves_the_rest) {
    auto const made = create("a");
    webhook_change what;
    what.name = "new";
    what.subscribed_events = strings{"*"};
    what.max_concurrency = std::optional<int>();
    what.max_rate_per_second = 9;
    auto const now = change(made, what);
    EXPECT_EQ(now.name, "new");
    EXPECT_EQ(now.subscribed_events, (strings{"*"}));
    EXPECT_EQ(now.max_concurrency, std::nullopt);
    EXPECT_EQ(now.max_rate_per_second, 9);
    EXPECT_EQ(now.url, made.url);
    EXPECT_EQ(now.description, made.description);
    EXPECT_EQ(now.headers, made.headers);
    EXPECT_EQ(now.metadata, made.metadata);
    EXPECT_TRUE(now.enabled);
    EXPECT_GT(now.revision, made.revision);
    EXPECT_GE(now.updated_at, made.updated_at);
    auto const shown = run(api->show_webhook("a", made.id)).value();
    EXPECT_EQ(shown.revision, now.revision);
    EXPECT_EQ(shown.name, "new");
    webhook_change rest;
    rest.url = "https://other.example/";
    rest.description = "";
    rest.headers.emplace();
    rest.metadata = "{}";
    auto const last = change(made, rest);
    EXPECT_EQ(last.url, "https://other.example/");
    EXPECT_EQ(last.description, "");
    EXPECT_TRUE(last.headers.empty());
    EXPECT_EQ(last.metadata, "{}");
    EXPECT_EQ(last.max_rate_per_second, 9);
}

TEST_F(webhook_calls, a_change_of_nothing_changes_nothing) {
    auto const made = create("a");
    auto const now = change(made, {});
    EXPECT_EQ(now.revision, made.revision);
    EXPECT_EQ(now.updated_at, made.updated_at);
}

TEST_F(webhook_calls, a_change_is_seen_by_the_other_daemons) {
    auto const made = create("a");
    db.query("UPDATE webhooks SET changed_at = now() - interval '1 hour'");
    auto const start = run(api->changes_since("")).value();
    webhook_change what;
    what.description = "other";
    auto const now = change(made, what);
    EXPECT_EQ(run(api->changes_since(start.cursor)).value().webhooks, (std::vector{std::pair{made.id, now.revision}}));
}

TEST_F(webhook_calls, a_version_is_written_when_requests_look_different_and_then_alone) {
    auto const made = create("a");
    auto const first = versions(made);
    webhook_change name;
    name.name = "other";
    change(made, name);
    webhook_change same;
    same.url = made.url;
    same.headers = made.headers;
    change(made, same);
    EXPECT_EQ(versions(made), first);
    webhook_change url;
    url.url = "https://other.example/";
    auto const second = change(made, url);
    webhook_change headers;
    headers.headers.emplace();
    auto const third = change(made, headers);
    EXPECT_EQ(versions(made), first + "|" + std::to_string(second.revision) +
                                  " https://other.example/ [[\"X-B\",\"2\"],[\"X-A\",\"a,\\\"b\\\"{}\\\\\"]]|" +
                                  std::to_string(third.revision) + " https://other.example/ []");
}

TEST_F(webhook_calls, every_version_is_kept_when_many_change_it_at_once) {
    auto const made = create("a");
    auto const wide = make_api_store(db.options(), 6);
    auto const answers = at_once(12, [&](int i) {
        webhook_change what;
        what.url = "https://e.com/" + std::to_string(i);
        return run(wide->change_webhook("a", made.id, what));
    });
    std::set<std::int64_t> revisions;
    for (auto const& got : answers)
        revisions.insert(got->value().revision);
    EXPECT_EQ(revisions.size(), 12U);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_versions"), 13);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks JOIN webhook_versions USING (webhook_id, revision, url)"), 1);
}

TEST_F(webhook_calls, disabling_says_why_and_enabling_forgets_it) {
    auto const made = create("a");
    db.query("UPDATE webhooks SET failing_since = now() - interval '1 day', failing_reported_at = now()");
    webhook_change off;
    off.enabled = false;
    off.disabled_note = "moving house";
    auto const disabled = change(made, off);
    EXPECT_FALSE(disabled.enabled);
    EXPECT_EQ(disabled.disabled_reason, "requested");
    EXPECT_EQ(disabled.disabled_note, "moving house");
    EXPECT_TRUE(disabled.disabled_at);
    EXPECT_TRUE(disabled.failing_since);
    webhook_change on;
    on.enabled = true;
    auto const enabled = change(made, on);
    EXPECT_TRUE(enabled.enabled);
    EXPECT_EQ(enabled.disabled_reason, "");
    EXPECT_EQ(enabled.disabled_note, "");
    EXPECT_EQ(enabled.disabled_at, std::nullopt);
    EXPECT_EQ(enabled.failing_since, std::nullopt);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks WHERE failing_reported_at IS NULL"), 1);
}

TEST_F(webhook_calls, disabling_a_disabled_one_keeps_reason_and_time) {
    auto const made = create("a");
    db.query("UPDATE webhooks SET enabled = false, disabled_reason = 'gone', disabled_at = '2026-01-01'");
    webhook_change off;
    off.enabled = false;
    auto const before = run(api->show_webhook("a", made.id)).value();
    auto const plain = change(made, off);
    EXPECT_EQ(plain.disabled_reason, "gone");
    EXPECT_EQ(plain.disabled_at, before.disabled_at);
    off.disabled_note = "and for good";
    EXPECT_EQ(change(made, off).disabled_note, "and for good");
    webhook_change note;
    note.disabled_note = "";
    EXPECT_EQ(change(made, note).disabled_note, "");
}

TEST_F(webhook_calls, only_what_was_disabled_is_forgiven_its_failures) {
    auto const made = create("a");
    db.query("UPDATE webhooks SET failing_since = '2026-01-01'");
    webhook_change on;
    on.enabled = true;
    on.disabled_note = "not for an enabled one";
    auto const now = change(made, on);
    EXPECT_TRUE(now.failing_since);
    EXPECT_EQ(now.disabled_note, "");
}

// --- delete ----------------------------------------------------------------------------------------------------------

TEST_F(webhook_calls, a_deleted_webhook_is_gone_and_what_was_parked_for_it_is_due) {
    auto const made = create("a");
    db.query("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, parked)"
             " SELECT gen_random_uuid(), gen_random_uuid(), '" +
             made.id.text() + "', 'a', true FROM generate_series(1, 3)");
    ASSERT_TRUE(run(api->delete_webhook("a", made.id)));
    EXPECT_EQ(run(api->show_webhook("a", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->delete_webhook("a", made.id)).error().kind, fault::not_found);
    webhook_change what;
    what.name = "back";
    EXPECT_EQ(run(api->change_webhook("a", made.id, what)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->show_secrets("a", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->list_webhooks({}, {})).value().count, 0U);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE NOT parked"), 3);
    EXPECT_GT(db.number("SELECT revision FROM webhooks"), made.revision);
}

TEST_F(webhook_calls, deleting_over_a_link_that_dies_succeeds) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    for (int cut = 0; cut < 5; ++cut) {
        auto const made = create("a");
        ASSERT_TRUE(run(own->show_webhook("a", made.id)));
        proxy.swallow_answer_after(cut);
        auto const done = run(own->delete_webhook("a", made.id));
        proxy.pass();
        EXPECT_TRUE(done) << cut << ": " << done.error().message;
        EXPECT_FALSE(run(api->show_webhook("a", made.id)));
    }
}

} // namespace
} // namespace klen::webhooks::store
