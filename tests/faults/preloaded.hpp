#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace klen::webhooks::faults {

/// A library of the harness that is preloaded into other programs, and goes by a number that is set while they run.
class preloaded {
  public:
    /// Makes its files in `folder`, where every user can read them. `variable` tells the library where the number is.
    preloaded(std::string folder, std::string const& library, std::string variable);

    void set(std::int64_t number) const;
    /// For a program's environment.
    std::map<std::string, std::string> environment() const;
    /// A folder like PostgreSQL's own, whose server has the library.
    std::string postgres_programs() const;

  private:
    std::string folder_;
    std::string variable_;
};

/// A wall clock that the harness moves.
class moved_clock : public preloaded {
  public:
    explicit moved_clock(std::string folder);
    /// From now on it shows that much more than the machine's.
    void move(std::chrono::seconds by) const { set(by.count()); }
};

/// A disk that takes its time to say that something is on it.
class slow_disk : public preloaded {
  public:
    explicit slow_disk(std::string folder);
    /// From now on each fsync and fdatasync takes so much longer.
    void slow_down(std::chrono::milliseconds by) const { set(by.count()); }
};

} // namespace klen::webhooks::faults
