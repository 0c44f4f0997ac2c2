#include "app/platform_key.hpp"

#include "api/fake_api_store.hpp"
#include "app/private_file.hpp"
#include "klen/webhooks/signing/api_key.hpp"
#include "store/store_support.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include <sys/stat.h>

namespace klen::webhooks::app {
namespace {

namespace fs = std::filesystem;
using namespace test;

/// The keys of a database that its test looks into.
struct kept_keys : testing_support::fake_api_store {
    task<result<api_key_row>> create_api_key(api_key_row key, std::uint32_t) override {
        if (dies_before)
            co_return *dies_before;
        rows.push_back(key);
        if (dies_after)
            co_return *dies_after;
        co_return key;
    }
    task<result<std::vector<api_key_row>>> list_api_keys() override { co_return rows; }
    using fake_api_store::list_api_keys;

    std::vector<api_key_row> rows;
    std::optional<failure> dies_before, dies_after; ///< the daemon, while it stores its key
};

class platform_key_test : public testing::Test {
  protected:
    void SetUp() override {
        auto name = (fs::temp_directory_path() / "klen-key-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
        file = (dir_ / "platform-key").string();
    }
    void TearDown() override { fs::remove_all(dir_); }

    result<std::optional<first_key>> start() { return run(make_first_key(keys, file)); }
    std::string in_file() { return read_private_file(file).value().value_or(""); }
    bool is_stored(std::string const& text) {
        return keys.rows.size() == 1 && keys.rows[0].hash == signing::hash_api_key(text);
    }
    std::ptrdiff_t files() { return std::distance(fs::directory_iterator(dir_), fs::directory_iterator()); }

    fs::path dir_;
    std::string file;
    kept_keys keys;
    failure const gone{fault::connection_lost, "gone"};
};

TEST_F(platform_key_test, the_first_start_leaves_a_key_and_nothing_else) {
    auto const made = start().value();
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->replaces);
    EXPECT_EQ(in_file(), made->text);
    EXPECT_TRUE(is_stored(made->text));
    EXPECT_EQ(keys.rows.at(0).permissions, all_permissions());
    EXPECT_EQ(keys.rows.at(0).account_id, std::nullopt);
    EXPECT_EQ(files(), 1);
    struct stat info {};
    ASSERT_EQ(stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);

    EXPECT_FALSE(start().value()) << "there is one";
    EXPECT_EQ(in_file(), made->text);
}

TEST_F(platform_key_test, a_key_that_was_revoked_and_forgotten_stays_dead) {
    auto const first = start().value().value().text;
    keys.rows.clear();
    auto const second = start().value().value();
    EXPECT_NE(second.text, first);
    EXPECT_TRUE(second.replaces);
    EXPECT_EQ(in_file(), second.text);
    EXPECT_TRUE(is_stored(second.text));
}

TEST_F(platform_key_test, the_key_of_an_interrupted_start_is_used) {
    keys.dies_before = gone;
    EXPECT_TRUE(start().has_error());
    auto const read_by_somebody = in_file();
    ASSERT_FALSE(read_by_somebody.empty());
    EXPECT_TRUE(start().has_error());
    keys.dies_before.reset();
    auto const made = start().value().value();
    EXPECT_EQ(made.text, read_by_somebody);
    EXPECT_FALSE(made.replaces);
    EXPECT_TRUE(is_stored(read_by_somebody));
    EXPECT_EQ(files(), 1);
}

TEST_F(platform_key_test, a_start_that_died_with_its_key_stored_keeps_it_alive_no_longer_than_others) {
    keys.dies_after = gone;
    EXPECT_TRUE(start().has_error());
    keys.dies_after.reset();
    auto const first = in_file();
    EXPECT_FALSE(start().value());
    keys.rows.clear();
    EXPECT_NE(start().value().value().text, first);
}

TEST_F(platform_key_test, a_start_that_died_before_it_wrote_its_key_does_not_revive_the_one_before) {
    auto const first = start().value().value().text;
    keys.rows.clear();
    ASSERT_TRUE(write_private_file(file + ".pending", "the hash of the key that was to come\n"));
    auto const second = start().value().value();
    EXPECT_NE(second.text, first);
    EXPECT_TRUE(is_stored(second.text));
    EXPECT_EQ(files(), 1);
}

TEST_F(platform_key_test, a_file_that_holds_no_key_is_overwritten) {
    ASSERT_TRUE(write_private_file(file, "nonsense\n"));
    auto const made = start().value().value();
    EXPECT_EQ(in_file(), made.text);
    EXPECT_TRUE(is_stored(made.text));
}

} // namespace
} // namespace klen::webhooks::app
