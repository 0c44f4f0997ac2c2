#include "e2e/daemon.hpp"
#include "guide/guide.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include <sys/wait.h>

namespace klen::webhooks::e2e {
namespace {

bool there(std::string const& command) {
    return std::system(("command -v " + command + " >/dev/null 2>&1").c_str()) == 0;
}

TEST(guide, every_curl_of_the_guide_works_in_its_order) {
    for (char const* needed : {"bash", "curl", "jq", "gzip"})
        if (!there(needed))
            GTEST_SKIP() << needed << " is not on this machine";
    daemon it;
    it.start();
    receiver sink("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", {});
    temporary_folder folder;
    std::string script = "set -euo pipefail\n";
    for (auto const& block : guide::blocks("bash"))
        script += block + "\n";
    script += "echo GUIDE_ENDS\n";
    write_file(folder / "guide.sh", script);
    auto const command = "env API='" + it.url() + "/api/v1' KEY='" + it.key() + "' RECEIVER='" + sink.url() +
                         "' bash '" + (folder / "guide.sh") + "' > '" + (folder / "out") + "' 2>&1 </dev/null";
    int const status = std::system(command.c_str());
    auto const said = file_text(folder / "out");
    ASSERT_EQ(WEXITSTATUS(status), 0) << said;
    EXPECT_NE(said.find("GUIDE_ENDS"), std::string::npos);
    EXPECT_NE(said.find(R"("delivered": true)"), std::string::npos) << said;
    EXPECT_NE(said.find(R"("status": "delivered")"), std::string::npos) << said;
    EXPECT_NE(said.find(R"("trigger": "schedule")"), std::string::npos) << said;
    EXPECT_TRUE(sink.receives(3)); // the test call, the delivery, the resend
}

} // namespace
} // namespace klen::webhooks::e2e
