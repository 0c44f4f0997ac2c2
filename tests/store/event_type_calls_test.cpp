#include "store/api_store_fixture.hpp"
#include "store/unix_proxy.hpp"

namespace klen::webhooks::store {
namespace {

using namespace test;

class event_type_calls : public api_store_fixture {
  protected:
    static event_type_row sample_type(std::string name = "order.paid") {
        return {std::move(name), "Somebody's order — paid", R"({"payload": {"n": 1.50}})", false, {}};
    }
    std::optional<event_type_row> find(std::string const& name) {
        for (auto const& one : run(api->event_types()).value())
            if (one.event_type == name)
                return one;
        return std::nullopt;
    }
    std::string changed_at(std::string const& name) {
        return db.value("SELECT changed_at FROM event_types WHERE event_type = '" + name + "'");
    }
};

TEST_F(event_type_calls, the_catalogue_is_seeded_with_what_is_built_in) {
    auto const types = run(api->event_types()).value();
    EXPECT_EQ(types.size(), 14U);
    for (auto const& one : types)
        EXPECT_TRUE(one.built_in) << one.event_type;
    ASSERT_TRUE(find("call.ended"));
    EXPECT_NE(find("call.ended")->description, "");
    EXPECT_TRUE(std::ranges::is_sorted(types, {}, &event_type_row::event_type));
}

TEST_F(event_type_calls, a_type_comes_back_as_it_was_given) {
    auto const made = run(api->create_event_type(sample_type())).value();
    EXPECT_EQ(made.event_type, "order.paid");
    EXPECT_EQ(made.description, "Somebody's order — paid");
    EXPECT_EQ(made.sample, R"({"payload": {"n": 1.50}})");
    EXPECT_FALSE(made.built_in);
    EXPECT_LT(std::chrono::abs(made.created_at - std::chrono::system_clock::now()), std::chrono::minutes(1));
    EXPECT_EQ(find("order.paid")->sample, made.sample);
    auto bare = sample_type("order.lost");
    bare.sample = "";
    EXPECT_EQ(run(api->create_event_type(bare)).value().sample, "");
}

TEST_F(event_type_calls, a_type_that_exists_is_not_made_again) {
    ASSERT_TRUE(run(api->create_event_type(sample_type())));
    EXPECT_EQ(run(api->create_event_type(sample_type())).error().kind, fault::conflict);
    EXPECT_EQ(run(api->create_event_type(sample_type("call.ended"))).error().kind, fault::conflict);
}

TEST_F(event_type_calls, a_change_sets_what_it_names) {
    ASSERT_TRUE(run(api->create_event_type(sample_type())));
    db.query("UPDATE event_types SET changed_at = '2026-01-01'");
    auto const before = changed_at("order.paid");
    auto const described = run(api->change_event_type("order.paid", "other", std::nullopt)).value();
    EXPECT_EQ(described.description, "other");
    EXPECT_EQ(described.sample, sample_type().sample);
    EXPECT_NE(changed_at("order.paid"), before);
    auto const sampled = run(api->change_event_type("order.paid", std::nullopt, "{}")).value();
    EXPECT_EQ(sampled.description, "other");
    EXPECT_EQ(sampled.sample, "{}");
    EXPECT_EQ(run(api->change_event_type("order.paid", "", "")).value().sample, "");
    EXPECT_EQ(find("order.paid")->description, "");
}

TEST_F(event_type_calls, built_in_types_refuse_and_unknown_ones_are_not_found) {
    auto const before = changed_at("call.ended");
    EXPECT_EQ(run(api->change_event_type("call.ended", "mine", std::nullopt)).error().kind, fault::conflict);
    EXPECT_EQ(run(api->delete_event_type("call.ended")).error().kind, fault::conflict);
    EXPECT_EQ(changed_at("call.ended"), before);
    EXPECT_TRUE(find("call.ended"));
    EXPECT_EQ(run(api->change_event_type("no.such", "mine", std::nullopt)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->delete_event_type("no.such")).error().kind, fault::not_found);
    EXPECT_EQ(run(api->delete_event_type("' OR true --")).error().kind, fault::not_found);
}

TEST_F(event_type_calls, a_deleted_type_is_gone) {
    ASSERT_TRUE(run(api->create_event_type(sample_type())));
    ASSERT_TRUE(run(api->delete_event_type("order.paid")));
    EXPECT_FALSE(find("order.paid"));
    EXPECT_EQ(run(api->delete_event_type("order.paid")).error().kind, fault::not_found);
    EXPECT_TRUE(run(api->create_event_type(sample_type())));
}

TEST_F(event_type_calls, a_link_that_dies_does_not_make_a_conflict_of_an_own_success) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    ASSERT_TRUE(run(own->event_types()));
    for (int cut = 0; cut < 3; ++cut) {
        proxy.swallow_answer_after(cut);
        auto const made = run(own->create_event_type(sample_type()));
        EXPECT_TRUE(made) << cut << ": " << made.error().message;
        proxy.swallow_answer_after(cut);
        auto const gone = run(own->delete_event_type("order.paid"));
        EXPECT_TRUE(gone) << cut << ": " << gone.error().message;
        proxy.pass();
        EXPECT_FALSE(find("order.paid"));
    }
}

} // namespace
} // namespace klen::webhooks::store
