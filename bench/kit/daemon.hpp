#pragma once

#include "kit/process.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace klen::bench {

/// The shipped binary as a process, on a private PostgreSQL of its own, with production settings: only where it
/// listens and keeps its things is set, and that it may call this machine over plain HTTP. Logs to a file.
class daemon_under_test {
  public:
    /// `dir`: an empty folder, or one of an earlier daemon, which is then started again. `settings`: by environment
    /// variable, in addition. Returns when it is ready.
    daemon_under_test(std::string const& binary, std::string dir, std::map<std::string, std::string> const& settings);

    std::uint16_t port() const { return port_; }
    pid_t pid() const { return process_->pid(); }
    std::string const& key() const { return key_; } ///< a platform key
    std::string database_url() const;
    /// A value of /metrics, by its name without the common prefix.
    double metric(std::string const& name) const;
    /// Throws when it does not end well.
    void stop();

  private:
    void wait_until_ready();

    std::string dir_;
    std::uint16_t port_;
    std::unique_ptr<process> process_;
    std::string key_;
};

} // namespace klen::bench
