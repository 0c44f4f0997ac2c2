#include <gtest/gtest.h>

#ifdef __SANITIZE_ADDRESS__
/// libpqxx 6.4 forgets libpq's result when a statement fails because the link is gone: 2 KB for each lost connection.
/// Goes with libpqxx 7.
extern "C" char const* __lsan_default_suppressions() { return "leak:libpqxx\n"; }
#endif

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
