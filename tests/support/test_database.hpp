#pragma once

#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/store/connection.hpp"

#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::test {

/// A database of the test's own, with the migrations applied, on a private PostgreSQL that all tests of one build
/// folder share (started by the first test that needs it, ended by itself a few seconds after the last). Dropped by
/// the destructor, whoever is still connected. Throws when there is none to be had.
class test_database {
  public:
    enum class kind { migrated, empty };

    explicit test_database(kind what = kind::migrated);
    ~test_database();
    test_database(test_database const&) = delete;
    test_database& operator=(test_database const&) = delete;

    store::connection_options const& options() const { return options_; }
    std::string const& url() const { return options_.url; }
    std::string const& name() const { return name_; }

    /// Runs SQL and returns the rows of the (last) answer as text, null as "". Throws when it fails.
    std::vector<std::vector<std::string>> query(std::string const& sql);
    /// The first column of the first row.
    std::string value(std::string const& sql);
    std::int64_t number(std::string const& sql);

    /// Ends every other connection to this database, as an administrator would. Returns how many there were.
    std::int64_t cut_connections();

  private:
    struct link;
    std::string name_;
    store::connection_options options_;
    std::unique_ptr<link> link_;
};

/// Inserts a webhook without a secret.
webhook_id add_webhook(test_database& in, std::string const& account, std::vector<std::string> const& events,
                       std::string const& url = "http://127.0.0.1:1/hook");

} // namespace klen::webhooks::test
