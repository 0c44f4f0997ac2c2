#pragma once

#include <map>
#include <string>
#include <vector>

namespace klen::bench {

/// A command line of `--name value` and `--flag`. Every question names an option that there is; `refuse_others` then
/// throws when something else was given.
class arguments {
  public:
    arguments(int argc, char** argv, std::vector<std::string> flags);

    std::string text(std::string const& name, std::string const& otherwise);
    double number(std::string const& name, double otherwise);
    /// A whole number; "10k" and "1M" are understood.
    std::size_t count(std::string const& name, std::size_t otherwise);
    /// "1,10k": several of them.
    std::vector<std::size_t> counts(std::string const& name, std::string const& otherwise);
    bool flag(std::string const& name);
    void refuse_others() const;

  private:
    std::map<std::string, std::string> given_;
    std::vector<std::string> known_;
};

} // namespace klen::bench
