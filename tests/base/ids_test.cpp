#include "klen/webhooks/base/ids.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

std::uint64_t milliseconds_of(uuid const& id) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < 6; ++i)
        out = out << 8 | id.bytes[i];
    return out;
}

std::uint64_t now_ms() {
    auto const t = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(t).count());
}

TEST(ids, made_id_has_version_7_variant_and_the_current_time) {
    // In a thread of its own: one that has made very many ids is ahead of the clock.
    std::uint64_t const before = now_ms();
    uuid id;
    std::jthread([&id] { id = make_uuid_v7(); }).join();
    EXPECT_EQ(id.bytes[6] >> 4, 7);
    EXPECT_EQ(id.bytes[8] >> 6, 2);
    EXPECT_GE(milliseconds_of(id), before);
    EXPECT_LE(milliseconds_of(id), now_ms());
}

TEST(ids, ids_of_one_thread_ascend_strictly_in_bytes_and_in_text) {
    // Far more than the counter of a millisecond holds.
    uuid last = make_uuid_v7();
    for (int i = 0; i < 100000; ++i) {
        uuid const next = make_uuid_v7();
        ASSERT_LT(last, next);
        if (i % 1000 == 0) {
            ASSERT_LT(last.text(), next.text());
        }
        last = next;
    }
}

TEST(ids, ids_of_several_threads_are_unlike) {
    std::vector<std::vector<uuid>> made(4);
    {
        std::vector<std::jthread> threads;
        threads.reserve(made.size());
        for (auto& mine : made) {
            threads.emplace_back([&mine] {
                for (int i = 0; i < 5000; ++i)
                    mine.push_back(make_uuid_v7());
            });
        }
    }
    std::set<uuid> all;
    for (auto const& mine : made)
        all.insert(mine.begin(), mine.end());
    EXPECT_EQ(all.size(), 20000u);
}

TEST(ids, text_and_parse_are_inverse) {
    uuid const id = make_uuid_v7();
    std::string const text = id.text();
    ASSERT_EQ(text.size(), 36u);
    EXPECT_EQ(uuid::parse(text), id);
    std::string upper = text;
    std::ranges::transform(upper, upper.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
    EXPECT_EQ(uuid::parse(upper), id);
    EXPECT_EQ(uuid{}.text(), "00000000-0000-0000-0000-000000000000");
    EXPECT_TRUE(uuid{}.is_nil());
    EXPECT_FALSE(id.is_nil());
}

TEST(ids, parse_takes_nothing_but_the_canonical_form) {
    for (std::string const text : {
             "",
             "01890a5d-ac96-774b-bcce-b302099a805",
             "01890a5d-ac96-774b-bcce-b302099a80578",
             "01890a5dac96774bbcceb302099a8057",
             "{01890a5d-ac96-774b-bcce-b302099a805}",
             "01890a5d-ac96-774b-bcce-b302099a805g",
             "01890a5d-ac96-774b-bcce_b302099a8057",
             "01890a5-dac96-774b-bcce-b302099a8057",
             "01890a5d-ac96-774b-bcce-b302099a80 7",
             "urn:uuid:01890a5d-ac96-774b-bcce-b30",
         })
        EXPECT_FALSE(uuid::parse(text)) << text;
    EXPECT_FALSE(uuid::parse(std::string_view("01890a5d-ac96-774b-bcce-b302099a805\0", 36)));
}

TEST(ids, strong_ids_parse_and_hash) {
    auto const id = make_id<event_id>();
    EXPECT_EQ(event_id::parse(id.text()), id);
    EXPECT_FALSE(event_id::parse("no id"));
    std::unordered_set<event_id> const set{id};
    EXPECT_TRUE(set.contains(id));
    EXPECT_FALSE(set.contains(make_id<event_id>()));
    static_assert(!std::is_convertible_v<event_id, webhook_id>);
}

TEST(ids, same_millisecond_spans_exactly_that_millisecond) {
    uuid const id = make_uuid_v7();
    uuid_range const range = same_millisecond(id);
    EXPECT_LE(range.first, id);
    EXPECT_LT(id, range.past_last);
    EXPECT_EQ(milliseconds_of(range.first), milliseconds_of(id));
    EXPECT_EQ(milliseconds_of(range.past_last), milliseconds_of(id) + 1);
}

TEST(ids, same_millisecond_carries_into_the_higher_bytes) {
    auto const id = uuid::parse("00000000-00ff-7000-8000-000000000000");
    ASSERT_TRUE(id);
    EXPECT_EQ(same_millisecond(*id).past_last.text(), "00000000-0100-0000-0000-000000000000");
}

} // namespace
} // namespace klen::webhooks
