#pragma once

#include <string>

namespace klen::bench {

/// The whole file; throws when there is none.
std::string read_file(std::string const& name);
void write_file(std::string const& name, std::string const& text);

/// A folder that is removed in the end, unless it is to be kept.
class scratch_dir {
  public:
    /// Empty: a new one below /var/tmp, which is on a disk where /tmp may be memory.
    scratch_dir(std::string path, bool keep);
    ~scratch_dir();
    scratch_dir(scratch_dir const&) = delete;
    scratch_dir& operator=(scratch_dir const&) = delete;

    std::string const& path() const { return path_; }
    /// A folder in it, made now and empty.
    std::string make(std::string const& name) const;
    void keep() { keep_ = true; }

  private:
    std::string path_;
    bool keep_;
};

} // namespace klen::bench
