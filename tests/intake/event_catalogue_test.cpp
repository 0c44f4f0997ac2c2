#include "klen/webhooks/intake/intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::intake {
namespace {

using testing::ElementsAre;

TEST(event_catalogue, knows_the_built_in_and_the_extra_types_from_the_start) {
    event_catalogue const catalogue({"fax.arrived"});
    EXPECT_TRUE(catalogue.knows("call.ended"));
    EXPECT_TRUE(catalogue.knows("fax.arrived"));
    EXPECT_FALSE(catalogue.knows("call.*"));
    EXPECT_FALSE(catalogue.knows("call"));
    EXPECT_TRUE(catalogue.knows("webhook.disabled"));
    EXPECT_FALSE(catalogue.knows("webhook.test"));
    EXPECT_EQ(catalogue.names().size(), 15U);
}

TEST(event_catalogue, the_database_replaces_the_built_in_types_but_not_the_extra_ones) {
    event_catalogue catalogue({"fax.arrived"});
    catalogue.replace({"sms.sent", "call.ended"});
    EXPECT_THAT(catalogue.names(), ElementsAre("call.ended", "fax.arrived", "sms.sent"));
    EXPECT_FALSE(catalogue.knows("call.started"));
}

TEST(event_catalogue, a_change_is_known_at_once_and_an_older_reading_does_not_undo_it) {
    event_catalogue catalogue({"fax.arrived"});
    catalogue.replace({"call.ended", "sms.sent"});
    catalogue.note_change("fax.sent", true);
    auto const as_of = catalogue.change_count();
    catalogue.note_change("order.paid", true);
    catalogue.note_change("sms.sent", false);
    catalogue.note_change("fax.arrived", false); // the configuration's stay
    EXPECT_THAT(catalogue.names(), ElementsAre("call.ended", "fax.arrived", "fax.sent", "order.paid"));
    catalogue.replace({"call.ended", "sms.sent"}, as_of); // somebody else removed fax.sent since
    EXPECT_THAT(catalogue.names(), ElementsAre("call.ended", "fax.arrived", "order.paid"));
    catalogue.replace({"call.ended", "sms.sent"}, as_of);
    EXPECT_THAT(catalogue.names(), ElementsAre("call.ended", "fax.arrived", "order.paid"));
    catalogue.replace({"call.ended", "sms.sent"}, catalogue.change_count());
    EXPECT_THAT(catalogue.names(), ElementsAre("call.ended", "fax.arrived", "sms.sent"));
    EXPECT_EQ(catalogue.change_count(), 4U);
}

TEST(event_catalogue, a_pattern_is_known_when_a_known_type_matches_it) {
    event_catalogue catalogue({});
    catalogue.replace({"call.leg.ended"});
    for (char const* known : {"*", "call.*", "call.leg.*", "call.leg.ended"})
        EXPECT_TRUE(catalogue.knows_pattern(known)) << known;
    for (char const* unknown : {"cal.*", "call.leg", "call.leg.ended.*", "calendar.*"})
        EXPECT_FALSE(catalogue.knows_pattern(unknown)) << unknown;
}

} // namespace
} // namespace klen::webhooks::intake
