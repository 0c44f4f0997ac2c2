#include "dispatch/closed_lanes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::dispatch {
namespace {

class closed_lanes_test : public ::testing::Test {
  protected:
    std::set<webhook_id> of(std::vector<std::string_view> const& accounts) const {
        std::vector<webhook_id> out;
        closed.append_of(accounts, out);
        EXPECT_EQ(std::set(out.begin(), out.end()).size(), out.size()) << "each is named once";
        return {out.begin(), out.end()};
    }
    std::set<webhook_id> all() const {
        std::vector<webhook_id> out;
        closed.append_all(out);
        return {out.begin(), out.end()};
    }

    closed_lanes closed;
    webhook_id const one = make_id<webhook_id>();
    webhook_id const two = make_id<webhook_id>();
    webhook_id const three = make_id<webhook_id>();
};

TEST_F(closed_lanes_test, each_account_is_told_of_its_own) {
    closed.add(one, "a");
    closed.add(two, "b");
    closed.add(three, "b");
    EXPECT_EQ(of({"a"}), std::set{one});
    EXPECT_EQ(of({"b"}), (std::set{two, three}));
    EXPECT_EQ(of({"a", "b"}), (std::set{one, two, three}));
    EXPECT_EQ(of({"c"}), std::set<webhook_id>{});
    EXPECT_EQ(of({}), std::set<webhook_id>{});
    EXPECT_EQ(all(), (std::set{one, two, three}));
}

TEST_F(closed_lanes_test, one_whose_account_is_not_known_counts_for_all_until_it_is) {
    closed.add(one, "");
    EXPECT_EQ(of({"a"}), std::set{one});
    EXPECT_EQ(of({"b", "c"}), std::set{one});
    closed.add(one, "a");
    EXPECT_EQ(of({"a"}), std::set{one});
    EXPECT_EQ(of({"b"}), std::set<webhook_id>{});
    EXPECT_EQ(all(), std::set{one});
}

TEST_F(closed_lanes_test, what_is_removed_is_told_no_more) {
    closed.add(one, "a");
    closed.add(two, "a");
    closed.add(two, "a");
    closed.remove(one);
    closed.remove(one);
    EXPECT_EQ(of({"a"}), std::set{two});
    closed.remove(two);
    EXPECT_EQ(of({"a"}), std::set<webhook_id>{});
    closed.remove(three);
    EXPECT_EQ(all(), std::set<webhook_id>{});
}

} // namespace
} // namespace klen::webhooks::dispatch
