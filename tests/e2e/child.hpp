#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace klen::webhooks::e2e {

using namespace std::chrono_literals;

/// Asks `condition` again and again until it is true or `bound` is over. Returns what it said last.
bool eventually(std::function<bool()> const& condition, std::chrono::milliseconds bound = 30s);

/// A folder under /tmp that every user may enter; removed at the end.
class temporary_folder {
  public:
    temporary_folder();
    ~temporary_folder();
    temporary_folder(temporary_folder const&) = delete;
    temporary_folder& operator=(temporary_folder const&) = delete;
    std::string const& path() const { return path_; }
    std::string operator/(std::string const& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

std::string file_text(std::string const& path);
std::vector<std::string> lines_of(std::string const& text);
void write_file(std::string const& path, std::string const& text);

/// The shipped binary as a process of its own, with nothing in its environment but `environment` and PATH. Killed by
/// the destructor if it still runs.
class child {
  public:
    child(std::vector<std::string> arguments, std::map<std::string, std::string> environment, std::string output_file,
          std::string error_file);
    ~child();
    child(child const&) = delete;
    child& operator=(child const&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    bool running();
    /// The exit code (128 + signal when a signal ended it), none when it still runs after `bound`.
    std::optional<int> wait(std::chrono::milliseconds bound);
    std::string output() const { return file_text(output_file_); }
    std::string errors() const { return file_text(error_file_); }

  private:
    pid_t pid_ = -1;
    std::optional<int> code_;
    std::string output_file_;
    std::string error_file_;
};

struct finished {
    int code = -1;
    std::string out;
    std::string err;
};
/// Runs a command to its end.
finished run_command(std::vector<std::string> arguments, std::map<std::string, std::string> environment = {},
                     std::chrono::milliseconds bound = 60s);

} // namespace klen::webhooks::e2e
