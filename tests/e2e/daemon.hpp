#pragma once

#include "e2e/child.hpp"
#include "support/test_database.hpp"

#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::e2e {

/// A daemon with everything in one folder: it can be stopped, killed and started again on the same data.
class daemon {
  public:
    using settings = std::map<std::string, std::string>;

    /// `with`: environment variables beyond those that give it a folder, a free port, JSON logs and loopback
    /// receivers.
    explicit daemon(settings with = {});
    /// Holds every answer of `call` to the OpenAPI document: a test fails when one is not as it says.
    ~daemon();
    daemon(daemon const&) = delete;
    daemon& operator=(daemon const&) = delete;

    /// Starts it and waits until it is ready. Throws with its last words when it is not.
    void start();
    /// Starts it and returns at once.
    child& launch();
    child& process() { return *process_; }
    /// SIGTERM; the exit code, -1 when it did not end in time.
    int stop(std::chrono::milliseconds bound = 20s);
    void kill();

    std::string const& folder() const { return folder_.path(); }
    std::string private_dir() const { return folder_ / "private"; }
    std::map<std::string, std::string> const& environment() const { return environment_; }
    std::string url() const;
    std::uint16_t port() const { return port_; }
    std::string key() const;
    std::string log() const { return file_text(folder_ / "daemon.log"); }
    /// Runs SQL in its private database: for what would take hours to happen by itself.
    void sql(std::string const& what) const;
    /// All log lines parsed; throws when one is no JSON object.
    std::vector<boost::json::object> log_lines() const;

    struct answer {
        int status = 0;
        boost::json::value body;
    };
    answer call(std::string const& method, std::string const& path, std::string const& body = {},
                std::string const& key = {}) const;

    struct made_webhook {
        std::string id;
        std::string secret;
    };
    made_webhook create_webhook(std::string const& url, std::string const& events = R"(["*"])");
    /// Publishes for the test's account; the event's id.
    std::string publish(std::string const& event_type = "call.ended",
                        std::string const& payload = R"({"call":{"id":7}})");
    /// The only delivery of an event, with its attempts.
    boost::json::object delivery_of(std::string const& event) const;
    bool reaches(std::string const& event, std::string const& status, std::chrono::milliseconds bound = 30s) const;

    static constexpr char const* account = "acct_e2e";

  private:
    temporary_folder folder_;
    std::map<std::string, std::string> environment_;
    std::unique_ptr<child> process_;
    std::uint16_t port_ = 0;
    mutable std::string answers_; ///< JSON lines
};

/// `klen-webhooks listen --json`, as the receiver of a test.
class receiver {
  public:
    /// `port` 0: any free one.
    explicit receiver(std::string const& secret, std::vector<std::string> options = {}, std::uint16_t port = 0);

    std::string url() const { return url_; }
    std::uint16_t port() const;
    child& process() { return *process_; }
    /// What has arrived so far.
    std::vector<boost::json::object> deliveries() const;
    bool receives(std::size_t count, std::chrono::milliseconds bound = 30s) const;
    void stop();

  private:
    temporary_folder folder_;
    std::unique_ptr<child> process_;
    std::string url_;
};

/// A key like a real one.
constexpr char const* master_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A port that nobody listens on just now.
std::uint16_t free_port();

/// The test database as the URL that the configuration asks for. It is trusted without the password.
std::string url_of(test::test_database const& database, std::string const& password = {});

} // namespace klen::webhooks::e2e
