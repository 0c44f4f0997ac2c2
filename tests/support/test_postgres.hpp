#pragma once

#include <string>

namespace klen::webhooks::test {

/// A place at the PostgreSQL that the tests of one build folder share. While one of these exists in any process, the
/// server runs; a few seconds after the last is gone it stops and removes its data.
///
/// Three lock files in the build folder keep the peace: `clients` (shared by each user of the server), `start` (who may
/// look whether a server has to be started) and `server` (held by the server's process for its life).
class test_postgres {
  public:
    static constexpr char const* template_name = "klen_template";

    test_postgres(test_postgres&& other) noexcept;
    ~test_postgres();
    std::string url_of(std::string const& database) const;

  private:
    friend test_postgres use_test_postgres();
    test_postgres(std::string host, int clients) : host_(std::move(host)), clients_(clients) {}

    std::string host_;
    int clients_ = -1;
};

/// Starts the server when there is none. Throws when it does not come up.
test_postgres use_test_postgres();

/// Where the lock files are.
std::string test_postgres_dir();

} // namespace klen::webhooks::test
