#include "klen/webhooks/store/private_postgres.hpp"

#include "server_process.hpp"
#include "session.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace klen::webhooks::store {

namespace {

namespace fs = std::filesystem;

constexpr int oldest_major = 15;
constexpr std::size_t socket_path_max = 107; // sun_path less its NUL
constexpr char const* socket_file = "/.s.PGSQL.5432";
constexpr char const* role = "klen";
constexpr char const* database = "klen_webhooks";
constexpr milliseconds poll_every{20};
constexpr milliseconds immediate_timeout{5000};
constexpr std::uintmax_t log_bytes_max = 4 << 20;

std::string error_text(int error) { return std::system_category().message(error); }

failure io_failure(std::string const& what, int error) { return {fault::io, what + ": " + error_text(error)}; }

std::string read_file(std::string const& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
}

int leading_number(std::string_view text) {
    int out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

// --- the lock: one process for each folder --------------------------------------------------------------------------

class folder_lock {
  public:
    static result<folder_lock> take(std::string const& dir) {
        auto const path = dir + "/lock";
        folder_lock out;
        out.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (out.fd_ < 0)
            return io_failure("cannot open " + path, errno);
        if (flock(out.fd_, LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK)
                return io_failure("cannot lock " + path, errno);
            return failure{fault::conflict, "the data folder " + dir + " is in use by another klen-webhooks (pid " +
                                                std::to_string(leading_number(read_file(path))) +
                                                "); stop it or set another database.private_dir"};
        }
        auto const pid = std::to_string(getpid()) + "\n";
        if (ftruncate(out.fd_, 0) != 0 || pwrite(out.fd_, pid.data(), pid.size(), 0) < 0)
            return io_failure("cannot write " + path, errno);
        return out;
    }

    folder_lock() = default;
    folder_lock(folder_lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    folder_lock& operator=(folder_lock&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~folder_lock() {
        if (fd_ >= 0)
            close(fd_);
    }

  private:
    int fd_ = -1;
};

// --- folders --------------------------------------------------------------------------------------------------------

result<void> make_folder(std::string const& path, mode_t mode, server_user const* owner) {
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        return io_failure("cannot make the folder " + path, errno);
    struct stat is {};
    if (lstat(path.c_str(), &is) != 0)
        return io_failure("cannot look at " + path, errno);
    if (!S_ISDIR(is.st_mode))
        return failure{fault::io, path + " is not a folder"};
    if (owner && owner->drop && is.st_uid != owner->uid && chown(path.c_str(), owner->uid, owner->gid) != 0)
        return io_failure("cannot give the folder " + path + " to user " + owner->name, errno);
    if ((is.st_mode & 07777) != mode && chmod(path.c_str(), mode) != 0)
        return io_failure("cannot set the mode of " + path, errno);
    return {};
}

/// Every folder above must let the server's user through.
result<void> check_way(fs::path const& dir, server_user const& user) {
    for (auto above = dir.parent_path(); !above.empty(); above = above.parent_path()) {
        struct stat is {};
        if (stat(above.c_str(), &is) != 0)
            return io_failure("cannot look at " + above.string(), errno);
        mode_t const needed = is.st_uid == user.uid   ? mode_t{S_IXUSR}
                              : is.st_gid == user.gid ? mode_t{S_IXGRP}
                                                      : mode_t{S_IXOTH};
        if ((is.st_mode & needed) == 0)
            return failure{fault::io, "user " + user.name + ", who runs the private PostgreSQL, cannot enter " +
                                          above.string() +
                                          ": set database.private_dir to a folder elsewhere or let "
                                          "others enter this one (chmod o+x)"};
        if (above == above.root_path())
            break;
    }
    return {};
}

/// In the data folder if the name is short enough for a socket, else a short one that only the server's user enters.
result<std::string> make_socket_folder(std::string const& dir, server_user const& user) {
    auto path = dir + "/socket";
    if (path.size() + std::string_view(socket_file).size() > socket_path_max) {
        auto const* runtime = std::getenv("XDG_RUNTIME_DIR");
        auto const base = runtime && *runtime == '/' && !user.drop ? std::string(runtime) : std::string("/tmp");
        std::ostringstream name;
        name << base << "/klen-webhooks-" << std::hex << std::hash<std::string>{}(dir);
        path = name.str();
        struct stat is {};
        if (lstat(path.c_str(), &is) == 0 && is.st_uid != user.uid && is.st_uid != geteuid())
            return failure{fault::io, path + ", the folder for the database's socket, belongs to somebody else"};
    }
    if (auto made = make_folder(path, 0700, &user); !made)
        return made.error();
    return path;
}

// --- programs -------------------------------------------------------------------------------------------------------

int version_of(std::string const& bin_dir) {
    if (access((bin_dir + "/initdb").c_str(), X_OK) != 0 || access((bin_dir + "/postgres").c_str(), X_OK) != 0)
        return 0;
    auto const self = server_user{.uid = geteuid(), .gid = getegid(), .name = "", .drop = false};
    auto const said = run_command({bin_dir + "/postgres", "--version"}, self); // "postgres (PostgreSQL) 15.20 (…)"
    if (!said || said->exit_code != 0)
        return 0;
    auto const at = said->output.find(") ");
    return at == std::string::npos ? 0 : leading_number(std::string_view(said->output).substr(at + 2));
}

std::vector<std::string> candidate_folders(std::string const& configured) {
    if (!configured.empty())
        return {configured};
    std::vector<std::string> out;
    auto const* searched = std::getenv("PATH");
    std::istringstream path(searched ? searched : "");
    for (std::string folder; std::getline(path, folder, ':');)
        if (folder.starts_with('/'))
            out.push_back(folder);
    std::vector<std::pair<int, std::string>> packaged;
    std::error_code error;
    for (auto const& entry : fs::directory_iterator("/usr/lib/postgresql", error))
        packaged.emplace_back(leading_number(entry.path().filename().string()), entry.path().string() + "/bin");
    std::ranges::sort(packaged, std::greater{});
    for (auto const& [major, folder] : packaged)
        out.push_back(folder);
    return out;
}

/// The folder of initdb and postgres: the version that made the data, or the first that is new enough.
result<std::string> find_programs(std::string const& configured, std::string const& data) {
    int const made_by = leading_number(read_file(data + "/PG_VERSION"));
    int newest = 0;
    for (auto const& folder : candidate_folders(configured)) {
        int const major = version_of(folder);
        newest = std::max(newest, major);
        if (made_by != 0 ? major == made_by : major >= oldest_major)
            return folder;
    }
    auto const needed = made_by != 0 ? "PostgreSQL " + std::to_string(made_by) + ", which made " + data + ","
                                     : "PostgreSQL 15 or later";
    return failure{fault::io, needed + " was not found" +
                                  (newest != 0 ? " (there is " + std::to_string(newest) + ")" : std::string()) +
                                  ": install Debian's package postgresql, set database.private_bin_dir, or set "
                                  "database.url"};
}

// --- data -----------------------------------------------------------------------------------------------------------

std::string settings_text(std::string const& socket_dir, std::string const& dir, bool fsync) {
    std::string out =
        "# Written by klen-webhooks at every start. Your own settings: " + dir + "/postgresql.extra.conf\n";
    out += "listen_addresses = ''\n";
    out += "unix_socket_directories = '" + socket_dir + "'\n";
    out += "unix_socket_permissions = 0700\n";
    out += "max_connections = 100\n";
    out += "shared_buffers = 256MB\n";
    out += "max_wal_size = 2GB\n";
    out += "min_wal_size = 512MB\n"; // a new file of the log makes whoever commits wait for 16 MB of zeros
    out += "random_page_cost = 1.1\n";
    out += "autovacuum_naptime = 15s\n";
    out += "timezone = 'UTC'\nlog_timezone = 'UTC'\n";
    // No statement, parameter or row ever reaches the log: they hold payloads.
    out += "log_min_messages = warning\nlog_min_error_statement = panic\nlog_error_verbosity = terse\n";
    out += "log_line_prefix = '%m [%p] '\n";
    if (!fsync)
        out += "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n";
    if (auto const extra = dir + "/postgresql.extra.conf"; fs::exists(extra))
        out += "include = '" + extra + "'\n";
    return out;
}

result<void> write_settings(std::string const& data, std::string const& text, server_user const& user) {
    auto const path = data + "/postgresql.conf";
    {
        std::ofstream out(path, std::ios::binary | std::ios::trunc);
        out << text;
        if (!out.flush())
            return failure{fault::io, "cannot write " + path};
    }
    if (user.drop && chown(path.c_str(), user.uid, user.gid) != 0)
        return io_failure("cannot give " + path + " to user " + user.name, errno);
    return {};
}

/// A cluster is made beside its final place, so a half-made one is never taken for a whole one.
result<bool> make_data(std::string const& bin, std::string const& dir, server_user const& user, bool fsync) {
    auto const data = dir + "/data";
    if (fs::exists(data + "/PG_VERSION"))
        return false;
    auto const fresh = dir + "/data.new";
    std::error_code error;
    fs::remove_all(fresh, error);
    if (auto made = make_folder(fresh, 0700, &user); !made)
        return made.error();
    std::vector<std::string> argv{bin + "/initdb",    "--pgdata=" + fresh, std::string("--username=") + role,
                                  "--auth=trust",     "--encoding=UTF8",   "--locale=C",
                                  "--no-instructions"};
    if (!fsync)
        argv.emplace_back("--no-sync");
    auto const done = run_command(argv, user);
    if (!done)
        return done.error();
    if (done->exit_code != 0)
        return failure{fault::io, "initdb failed: " + done->output};
    fs::remove(data, error); // an empty one; anything else stays, and the rename fails
    fs::rename(fresh, data, error);
    if (error)
        return failure{fault::io, "cannot rename " + fresh + " to " + data + ": " + error.message()};
    return true;
}

/// We hold the folder's lock, so whoever still serves this data was left behind by a killed daemon. It may be on its
/// way down already (the kernel told it of its parent's death).
result<void> end_left_over(std::string const& data, server_user const& user, milliseconds stop_timeout) {
    auto const pid_file = data + "/postmaster.pid";
    auto const started = std::chrono::steady_clock::now();
    int sent = 0;
    for (;;) {
        auto const left = processes_in(data, user);
        if (left.empty())
            break;
        auto const waited = std::chrono::steady_clock::now() - started;
        int const due = waited < stop_timeout ? SIGINT : waited < stop_timeout + immediate_timeout ? SIGQUIT : SIGKILL;
        if (waited > stop_timeout + 2 * immediate_timeout)
            return failure{fault::conflict, "a PostgreSQL that was left behind on " + data + " does not end (pid " +
                                                std::to_string(left.front()) + ")"};
        if (due != sent) {
            pid_t const postmaster = leading_number(read_file(pid_file));
            log::warn("ending the private PostgreSQL that a killed daemon left behind",
                      {{"process.pid", postmaster}, {"signal", due}});
            for (pid_t const pid : left)
                if (pid == postmaster || due == SIGKILL)
                    kill(pid, due);
            sent = due;
        }
        std::this_thread::sleep_for(poll_every);
    }
    // Nobody stands in the data folder: whatever pid the file names now belongs to somebody else, and PostgreSQL would
    // take that for a running server.
    std::error_code error;
    fs::remove(pid_file, error);
    return {};
}

/// What libpq decodes in a URI.
std::string uri_encoded(std::string_view text) {
    std::string out;
    for (char const c : text) {
        bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                           c == '-' || c == '.' || c == '_' || c == '~';
        auto const byte = static_cast<std::uint8_t>(c);
        out += plain ? std::string(1, c) : "%" + hex_encode(std::span(&byte, 1));
    }
    return out;
}

/// Without the lines that our own asking whether it is there leaves in it: they hide why it is not.
std::string without_probes(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        auto const line = text.substr(0, text.find('\n'));
        if (line.find("the database system is starting up") == std::string_view::npos)
            out.append(line).append("\n");
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return out;
}

/// What was written after `from`, the last 2 KiB of it.
std::string log_tail(std::string const& path, std::uintmax_t from) {
    auto const written = read_file(path);
    auto const text = without_probes(std::string_view(written).substr(std::min<std::size_t>(from, written.size())));
    return text.substr(text.size() > 2048 ? text.size() - 2048 : 0);
}

// --- the server -----------------------------------------------------------------------------------------------------

class server final : public private_postgres {
  public:
    server(private_postgres_options options, folder_lock lock) : options_(std::move(options)), lock_(std::move(lock)) {}
    ~server() override { stop(); }

    result<void> bring_up();

    std::string url() const override { return url_of(database); }
    std::string uri() const override {
        return "postgresql://" + std::string(role) + "@/" + database + "?host=" + uri_encoded(socket_dir_) +
               "&port=5432";
    }
    std::string const& dir() const override { return options_.dir; }
    bool running() const override { return process_ && process_->running(); }
    bool first_start() const override { return first_start_; }
    void stop() override;
    result<std::string> keep_file(std::string const& name, std::string const& contents) override;

  private:
    std::string url_of(std::string const& name) const {
        return "host='" + socket_dir_ + "' port=5432 user=" + role + " dbname=" + name;
    }
    result<void> launch(std::string const& bin, server_user const& user);
    result<void> wait_until_ready(std::string const& log_path, std::uintmax_t log_from);
    result<void> make_database();

    private_postgres_options options_;
    folder_lock lock_;
    std::string socket_dir_;
    bool first_start_ = false;
    std::unique_ptr<server_process> process_;
};

result<void> server::bring_up() {
    auto const user = choose_server_user(options_.user);
    if (!user)
        return user.error();
    if (auto way = check_way(options_.dir, *user); !way)
        return way;
    auto const data = options_.dir + "/data";
    auto const bin = find_programs(options_.bin_dir, data);
    if (!bin)
        return bin.error();
    auto const made = make_data(*bin, options_.dir, *user, options_.fsync);
    if (!made)
        return made.error();
    first_start_ = *made;
    if (auto owned = make_folder(data, 0700, &*user); !owned)
        return owned;
    if (auto ended = end_left_over(data, *user, options_.stop_timeout); !ended)
        return ended;
    auto socket_dir = make_socket_folder(options_.dir, *user);
    if (!socket_dir)
        return socket_dir.error();
    socket_dir_ = std::move(*socket_dir);
    // Left by a killed server as well, and refused like postmaster.pid when their pid is somebody else's now.
    for (auto const* suffix : {"", ".lock"})
        unlink((socket_dir_ + socket_file + suffix).c_str());
    auto const settings = settings_text(socket_dir_, options_.dir, options_.fsync);
    if (auto written = write_settings(data, settings, *user); !written)
        return written;
    if (auto launched = launch(*bin, *user); !launched)
        return launched;
    return make_database();
}

result<void> server::launch(std::string const& bin, server_user const& user) {
    auto const log_path = options_.dir + "/postgres.log";
    std::error_code error;
    if (fs::file_size(log_path, error) > log_bytes_max && !error)
        fs::rename(log_path, log_path + ".1", error);
    int const log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log < 0)
        return io_failure("cannot open " + log_path, errno);
    auto const log_from = fs::file_size(log_path, error);
    command what{{bin + "/postgres", "-D", options_.dir + "/data"}, user, log};
    // SIGINT is PostgreSQL's fast shutdown: a killed daemon leaves a cleanly closed database.
    auto process = server_process::start(std::move(what), SIGINT);
    close(log);
    if (!process)
        return process.error();
    process_ = std::move(*process);
    return wait_until_ready(log_path, log_from);
}

result<void> server::wait_until_ready(std::string const& log_path, std::uintmax_t log_from) {
    auto const deadline = std::chrono::steady_clock::now() + options_.start_timeout;
    connection_options const where{.url = url_of("postgres")};
    for (;;) {
        session probe(where, {.name = "start"});
        if (probe.connect())
            return {};
        auto const out_of_time = std::chrono::steady_clock::now() >= deadline;
        if (!process_->running() || out_of_time)
            return failure{fault::io, std::string("the private PostgreSQL ") +
                                          (out_of_time ? "did not accept connections in time" : "ended at its start") +
                                          "; the end of " + log_path + ":\n" + log_tail(log_path, log_from)};
        std::this_thread::sleep_for(poll_every);
    }
}

result<void> server::make_database() {
    session link({.url = url_of("postgres")}, {.name = "start"});
    // Not with operator+: optimised g++ 12 takes its moves of constant strings for overruns (GCC PR 105651).
    std::string ask = "SELECT 1 FROM pg_database WHERE datname = '";
    ask.append(database).append("'");
    auto const there = link.run_text(ask);
    if (!there)
        return there.error();
    if (there->empty())
        if (auto made = link.run_text(std::string("CREATE DATABASE ") + database); !made)
            return made.error();
    return {};
}

void server::stop() {
    if (!process_)
        return;
    process_->send(SIGINT);
    if (!process_->wait(options_.stop_timeout)) {
        log::warn(
            "the private PostgreSQL did not stop in time; it is stopped at once and will recover at its next start");
        process_->send(SIGQUIT);
        if (!process_->wait(immediate_timeout))
            process_->send(SIGKILL);
    }
    process_.reset();
    lock_ = folder_lock();
    std::error_code error;
    if (socket_dir_ != options_.dir + "/socket")
        fs::remove(socket_dir_, error);
}

result<std::string> server::keep_file(std::string const& name, std::string const& contents) {
    auto const path = options_.dir + "/" + name;
    auto const fresh = path + ".new";
    if (fs::exists(path))
        return read_file(path);
    int const fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return io_failure("cannot make " + fresh, errno);
    bool const written = write(fd, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()) &&
                         fchmod(fd, 0600) == 0 && fsync(fd) == 0;
    int const error = errno;
    close(fd);
    if (!written)
        return io_failure("cannot write " + fresh, error);
    // Whole or not at all: half a master key would lock every secret away.
    if (rename(fresh.c_str(), path.c_str()) != 0)
        return io_failure("cannot rename " + fresh, errno);
    if (int const folder = open(options_.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
        fsync(folder);
        close(folder);
    }
    return contents;
}

} // namespace

result<std::unique_ptr<private_postgres>> private_postgres::start(private_postgres_options const& options) {
    auto settled = options;
    std::error_code error;
    settled.dir = fs::absolute(options.dir, error).lexically_normal().string();
    while (settled.dir.size() > 1 && settled.dir.ends_with('/'))
        settled.dir.pop_back();
    if (settled.dir.find_first_of("'\\\n") != std::string::npos)
        return failure{fault::invalid_argument, "database.private_dir must not hold quotes or backslashes"};
    fs::create_directories(fs::path(settled.dir).parent_path(), error);
    // The folder is this process's; only data and socket are the server's: it cannot touch the keys kept here.
    if (auto made = make_folder(settled.dir, geteuid() == 0 ? 0711 : 0700, nullptr); !made)
        return made.error();
    auto lock = folder_lock::take(settled.dir);
    if (!lock)
        return lock.error();
    auto out = std::make_unique<server>(std::move(settled), std::move(*lock));
    if (auto up = out->bring_up(); !up)
        return up.error();
    return std::unique_ptr<private_postgres>(std::move(out));
}

std::string default_private_dir() {
    auto const variable = [](char const* name) {
        auto const* value = std::getenv(name);
        return std::string_view(value != nullptr ? value : "");
    };
    return default_private_dir(geteuid() == 0, variable("XDG_STATE_HOME"), variable("HOME"));
}

std::string default_private_dir(bool root, std::string_view state_home, std::string_view home) {
    if (root)
        return "/var/lib/klen-webhooks";
    if (state_home.starts_with('/'))
        return std::string(state_home) + "/klen-webhooks";
    return home.starts_with('/') ? std::string(home) + "/.local/state/klen-webhooks" : std::string();
}

} // namespace klen::webhooks::store
