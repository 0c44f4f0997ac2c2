#include "app/private_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

namespace klen::webhooks::app {
namespace {

namespace fs = std::filesystem;

class private_file_test : public testing::Test {
  protected:
    void SetUp() override {
        auto name = (fs::temp_directory_path() / "klen-private-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
    }
    void TearDown() override { fs::remove_all(dir_); }
    std::string path(char const* name) const { return (dir_ / name).string(); }

    fs::path dir_;
};

TEST_F(private_file_test, is_written_for_its_owner_only_and_read_back_without_its_line_end) {
    ASSERT_TRUE(write_private_file(path("key"), "one\n").has_value());
    ASSERT_TRUE(write_private_file(path("key"), "two\n").has_value());
    struct stat info {};
    ASSERT_EQ(stat(path("key").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    EXPECT_EQ(read_private_file(path("key"))->value(), "two");
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()), 1);
}

TEST_F(private_file_test, does_not_follow_a_link) {
    ASSERT_TRUE(write_private_file(path("victim"), "untouched").has_value());
    fs::create_symlink(path("victim"), path("key"));
    EXPECT_TRUE(read_private_file(path("key")).has_error());
    ASSERT_TRUE(write_private_file(path("key"), "secret").has_value());
    EXPECT_EQ(read_private_file(path("victim"))->value(), "untouched");
    EXPECT_EQ(read_private_file(path("key"))->value(), "secret");
}

TEST_F(private_file_test, can_be_checked_without_leaving_anything) {
    EXPECT_TRUE(check_private_file(path("key")).has_value());
    EXPECT_TRUE(fs::is_empty(dir_));
    EXPECT_TRUE(check_private_file(dir_.string()).has_error());
    EXPECT_TRUE(check_private_file(path("no/folder/key")).has_error());
    ASSERT_TRUE(write_private_file(path("key"), "old").has_value());
    EXPECT_TRUE(check_private_file(path("key")).has_value());
    EXPECT_EQ(read_private_file(path("key"))->value(), "old");
}

TEST_F(private_file_test, a_missing_file_is_no_error_but_a_missing_folder_is_one_to_the_writer) {
    EXPECT_FALSE(read_private_file(path("none"))->has_value());
    EXPECT_TRUE(write_private_file(path("no/folder/key"), "x").has_error());
}

} // namespace
} // namespace klen::webhooks::app
