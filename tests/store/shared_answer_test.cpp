#include "store/shared_answer.hpp"

#include <gmock/gmock.h>

#include <string>

namespace klen::webhooks::store {
namespace {

using testing::ElementsAre;

/// Asks at a time in milliseconds; what each was told is kept in the order in which it was.
struct shared_answer_test : testing::Test {
    bool join(std::string name, int at) {
        return shared.join([this, name](result<void> const& got) { told.push_back(name + (got ? " yes" : " no")); },
                           time(at));
    }
    void settle(bool yes, int at) {
        if (yes)
            shared.settle({}, time(at));
        else
            shared.settle(failure{fault::connection_lost, "gone"}, time(at));
    }
    static steady_time time(int at) { return steady_time(milliseconds(1'000'000 + at)); }

    shared_answer shared{{.fresh_for = milliseconds(250), .patience = milliseconds(1000)}};
    std::vector<std::string> told;
};

TEST_F(shared_answer_test, all_who_come_meanwhile_get_the_answer_to_one_question) {
    EXPECT_TRUE(join("a", 0));
    EXPECT_FALSE(join("b", 1));
    EXPECT_FALSE(join("c", 1000));
    EXPECT_THAT(told, ElementsAre());
    settle(true, 1000);
    EXPECT_THAT(told, ElementsAre("a yes", "b yes", "c yes"));
}

TEST_F(shared_answer_test, an_answer_serves_for_a_moment_whatever_it_was) {
    for (bool const yes : {true, false}) {
        int const start = yes ? 0 : 10'000;
        told.clear();
        EXPECT_TRUE(join("a", start));
        settle(yes, start + 100);
        EXPECT_FALSE(join("b", start + 350));
        EXPECT_THAT(told, yes ? ElementsAre("a yes", "b yes") : ElementsAre("a no", "b no"));
        EXPECT_TRUE(join("c", start + 351)) << "too old";
        settle(yes, start + 352);
    }
}

TEST_F(shared_answer_test, nobody_piles_up_behind_a_question_that_hangs) {
    EXPECT_TRUE(join("a", 0));
    EXPECT_FALSE(join("b", 1001));
    EXPECT_THAT(told, ElementsAre("b no"));
    settle(true, 60'000);
    EXPECT_FALSE(join("c", 60'001));
    EXPECT_THAT(told, ElementsAre("b no", "a yes", "c yes"));
    EXPECT_TRUE(join("d", 70'000));
    EXPECT_FALSE(join("e", 70'999)) << "a new question, a new time";
    EXPECT_EQ(told.size(), 3U);
}

} // namespace
} // namespace klen::webhooks::store
