#pragma once

#include <chrono>
#include <map>
#include <string>

namespace klen::webhooks::faults {

/// A wall clock that the harness moves, for programs that are started with it.
class moved_clock {
  public:
    /// Makes its files in `folder`, where every user can read them.
    explicit moved_clock(std::string folder);

    /// From now on it shows that much more than the machine's.
    void move(std::chrono::seconds by) const;
    /// For a program's environment.
    std::map<std::string, std::string> environment() const;
    /// A folder like PostgreSQL's own, whose server goes by this clock.
    std::string postgres_programs() const;

  private:
    std::string folder_;
};

} // namespace klen::webhooks::faults
