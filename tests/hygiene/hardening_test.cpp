// What the compiler was asked to harden, read from the shipped binary itself.
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <regex>
#include <string>

namespace klen::webhooks {
namespace {

std::string const binary = KLEN_BINARY_DIR "/klen-webhooks";

std::string output_of(std::string const& command) {
    std::unique_ptr<FILE, int (*)(FILE*)> const from(::popen((command + " 2>&1").c_str(), "r"), ::pclose);
    std::string out;
    std::array<char, 4096> bytes;
    while (std::size_t const n = std::fread(bytes.data(), 1, bytes.size(), from.get()))
        out.append(bytes.data(), n);
    return out;
}

std::string readelf(std::string const& what) { return output_of("LC_ALL=C readelf -W " + what + " '" + binary + "'"); }

bool found(std::string const& text, std::string const& pattern) { return std::regex_search(text, std::regex(pattern)); }

class hardening : public ::testing::Test {
  protected:
    void SetUp() override {
        if (testing::sanitized)
            GTEST_SKIP() << "sanitizers replace it";
    }
};

TEST_F(hardening, the_program_is_loaded_anywhere) {
    EXPECT_TRUE(found(readelf("-h"), R"(Type:\s+DYN)"));
    EXPECT_TRUE(found(readelf("-d"), R"(FLAGS_1.*\bPIE\b)"));
}

TEST_F(hardening, what_the_loader_wrote_is_read_only_afterwards) {
    EXPECT_TRUE(found(readelf("-l"), "GNU_RELRO"));
    auto const dynamic = readelf("-d");
    EXPECT_TRUE(found(dynamic, "BIND_NOW|FLAGS_1.*NOW")) << dynamic;
    EXPECT_FALSE(found(dynamic, "TEXTREL"));
    EXPECT_FALSE(found(dynamic, R"(\((RPATH|RUNPATH)\))")) << "libraries come from the system's folders only";
}

TEST_F(hardening, no_memory_is_both_written_and_run) {
    auto const segments = readelf("-l");
    EXPECT_TRUE(found(segments, R"(GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+RW )")) << segments;
    EXPECT_FALSE(found(segments, R"(\bRWE\b)")) << segments;
}

TEST_F(hardening, stack_and_buffers_are_checked) {
    auto const symbols = readelf("--dyn-syms");
    EXPECT_TRUE(found(symbols, R"(\b__stack_chk_fail\b)"));
#ifdef NDEBUG // glibc's checks need an optimised build
    EXPECT_TRUE(found(symbols, R"(\b__(memcpy|memmove|memset|read|recv|poll|snprintf|vsnprintf|fdelt)_chk\b)"));
#endif
}

TEST_F(hardening, an_index_out_of_a_container_aborts) {
    EXPECT_TRUE(found(readelf("--dyn-syms"), "__glibcxx_assert_fail"));
}

// The linker keeps the mark only when every object has it, and glibc's start files come without it on Debian.
TEST_F(hardening, indirect_jumps_land_on_marked_places) {
    std::string const start_file = output_of("cc -print-file-name=Scrt1.o");
    if (found(output_of("LC_ALL=C readelf -n " + start_file), "IBT.*SHSTK")) {
        EXPECT_TRUE(found(readelf("-n"), "IBT.*SHSTK"));
    }
    std::smatch main_symbol;
    std::string const symbols = output_of("LC_ALL=C nm '" + binary + "' | grep -w main");
    ASSERT_TRUE(std::regex_search(symbols, main_symbol, std::regex("([0-9a-f]+) T main"))) << symbols;
    std::string const at = "0x" + main_symbol[1].str();
    auto const code =
        output_of("objdump -d --start-address=" + at + " --stop-address=$((" + at + "+16)) '" + binary + "'");
    EXPECT_TRUE(found(code, "endbr64")) << code;
}

} // namespace
} // namespace klen::webhooks
