#include "server_process.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks::store {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t output_bytes_max = 4096;

std::string error_text(int error) { return std::system_category().message(error); }

std::optional<server_user> look_up(std::string const& name) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(16384);
    if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return server_user{entry.pw_uid, entry.pw_gid, name, true};
}

std::string own_name() {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(16384);
    if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return "uid " + std::to_string(geteuid());
    return entry.pw_name;
}

/// What the child needs, made before the fork: between fork and exec a child of a program with threads may only make
/// system calls.
struct prepared_command {
    explicit prepared_command(command const& what) : user(what.user), output(what.output) {
        for (auto const& argument : what.argv)
            argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        for (auto const& variable : environment)
            envp.push_back(const_cast<char*>(variable.c_str()));
        envp.push_back(nullptr);
    }

    server_user user;
    int output;
    std::vector<std::string> environment{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"};
    std::vector<char*> argv;
    std::vector<char*> envp;
};

/// Raw system calls: glibc's wrappers of these tell the other threads, which a child does not have.
bool become(server_user const& user) {
    if (!user.drop)
        return true;
    gid_t const group = user.gid;
    return syscall(SYS_setgroups, 1, &group) == 0 && syscall(SYS_setresgid, user.gid, user.gid, user.gid) == 0 &&
           syscall(SYS_setresuid, user.uid, user.uid, user.uid) == 0;
}

[[noreturn]] void run_child(prepared_command const& what, int error_pipe, int signal_on_death, pid_t parent) {
    auto const give_up = [&] {
        int const error = errno;
        [[maybe_unused]] auto const written = write(error_pipe, &error, sizeof error);
        _exit(127);
    };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        signal(s, SIG_DFL);
    setsid();
    umask(077);
    int const null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0 || dup2(what.output, 1) < 0 || dup2(what.output, 2) < 0 || chdir("/") != 0)
        give_up();
    if (!become(what.user))
        give_up();
    // A change of user clears it, so it is set afterwards; the parent may have died before.
    if (prctl(PR_SET_PDEATHSIG, signal_on_death) != 0 || getppid() != parent)
        give_up();
    syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC: the error pipe is needed until exec */);
    execve(what.argv[0], what.argv.data(), what.envp.data());
    give_up();
    _exit(127);
}

/// Forks and executes; the failure is what the child met before its exec.
result<pid_t> launch(command const& what, int signal_on_death) {
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return failure{fault::io, "cannot make a pipe: " + error_text(errno)};
    prepared_command const ready(what);
    pid_t const parent = getpid();
    pid_t const child = fork();
    if (child == 0)
        run_child(ready, pipe_ends[1], signal_on_death, parent);
    int const fork_error = errno;
    close(pipe_ends[1]);
    int error = 0;
    ssize_t got = 0;
    if (child > 0)
        while ((got = read(pipe_ends[0], &error, sizeof error)) < 0 && errno == EINTR) {
        }
    close(pipe_ends[0]);
    if (child < 0)
        return failure{fault::io, "cannot fork: " + error_text(fork_error)};
    if (got == static_cast<ssize_t>(sizeof error)) {
        waitpid(child, nullptr, 0);
        return failure{fault::io,
                       "cannot run " + what.argv.front() + " as user " + what.user.name + ": " + error_text(error)};
    }
    return child;
}

std::string read_tail(int fd) {
    std::string out;
    char buffer[4096];
    for (;;) {
        auto const got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return out;
        out.append(buffer, static_cast<std::size_t>(got));
        if (out.size() > output_bytes_max)
            out.erase(0, out.size() - output_bytes_max);
    }
}

} // namespace

result<server_user> choose_server_user(std::string const& wanted) {
    if (geteuid() != 0) {
        server_user self{geteuid(), getegid(), own_name(), false};
        if (!wanted.empty() && wanted != self.name)
            return failure{fault::invalid_argument, "only root can run the private PostgreSQL as another user (" +
                                                        wanted + "); this process is " + self.name};
        return self;
    }
    auto const candidates = wanted.empty() ? std::vector<std::string>{"postgres", "nobody"} : std::vector{wanted};
    for (auto const& name : candidates)
        if (auto found = look_up(name)) {
            if (found->uid == 0)
                return failure{fault::invalid_argument, "PostgreSQL must not run as root: name another user"};
            return *found;
        }
    return failure{fault::invalid_argument,
                   "there is no user " + candidates.front() + " to run the private PostgreSQL"};
}

result<command_result> run_command(std::vector<std::string> argv, server_user const& user) {
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return failure{fault::io, "cannot make a pipe: " + error_text(errno)};
    auto const child = launch({std::move(argv), user, pipe_ends[1]}, SIGTERM); // this thread waits here
    close(pipe_ends[1]);
    command_result out;
    if (child)
        out.output = read_tail(pipe_ends[0]);
    close(pipe_ends[0]);
    if (!child)
        return child.error();
    int status = 0;
    while (waitpid(*child, &status, 0) < 0 && errno == EINTR) {
    }
    out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return out;
}

// --- server_process -------------------------------------------------------------------------------------------------

result<std::unique_ptr<server_process>> server_process::start(command what, int signal_on_death) {
    std::unique_ptr<server_process> out(new server_process);
    std::optional<failure> failed;
    out->keeper_ = std::thread([self = out.get(), &what, &failed, signal_on_death] {
        auto const child = launch(what, signal_on_death);
        {
            std::lock_guard lock(self->mutex_);
            if (child)
                self->pid_ = *child;
            else
                failed = child.error();
            self->ended_ = !child;
            self->started_ = true;
            self->changed_.notify_all();
        }
        if (child)
            self->wait_for_end(*child);
    });
    std::unique_lock lock(out->mutex_);
    out->changed_.wait(lock, [&] { return out->started_; });
    lock.unlock();
    if (failed)
        return *failed;
    return out;
}

void server_process::wait_for_end(pid_t child) {
    // Seen first and reaped under the lock: until then the pid cannot belong to anybody else, so `send` is safe.
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    std::lock_guard lock(mutex_);
    waitpid(child, nullptr, 0);
    ended_ = true;
    changed_.notify_all();
}

server_process::~server_process() {
    send(SIGKILL);
    if (keeper_.joinable())
        keeper_.join();
}

bool server_process::running() const {
    std::lock_guard lock(mutex_);
    return started_ && !ended_;
}

void server_process::send(int signal) {
    std::lock_guard lock(mutex_);
    if (started_ && !ended_)
        kill(pid_, signal);
}

bool server_process::wait(milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return ended_; });
}

namespace {

/// The calling thread looks at /proc as that user. A container's root has no CAP_SYS_PTRACE: it may not see where the
/// processes of others stand, but the kernel judges by the thread's file system ids (proc(5), ptrace(2): FSCREDS).
class seeing_as {
  public:
    explicit seeing_as(server_user const& user) : drop_(user.drop) {
        if (drop_) {
            gid_ = static_cast<gid_t>(setfsgid(user.gid));
            uid_ = static_cast<uid_t>(setfsuid(user.uid)); // last: it gives up the right to change them
        }
    }
    ~seeing_as() {
        if (drop_) {
            setfsuid(uid_);
            setfsgid(gid_);
        }
    }
    seeing_as(seeing_as const&) = delete;
    seeing_as& operator=(seeing_as const&) = delete;

  private:
    bool drop_;
    uid_t uid_ = 0;
    gid_t gid_ = 0;
};

} // namespace

std::vector<pid_t> processes_in(std::string const& dir, server_user const& user) {
    std::vector<pid_t> out;
    struct stat wanted {};
    if (stat(dir.c_str(), &wanted) != 0)
        return out;
    seeing_as const eyes(user);
    std::error_code error;
    for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
        auto const name = entry->path().filename().string();
        pid_t pid = 0;
        auto const [last, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (bad != std::errc{} || last != name.data() + name.size())
            continue;
        struct stat folder {};
        auto const link = "/proc/" + name + "/cwd"; // not readable: another user's, so not ours
        if (stat(link.c_str(), &folder) == 0 && folder.st_dev == wanted.st_dev && folder.st_ino == wanted.st_ino)
            out.push_back(pid);
    }
    return out;
}

} // namespace klen::webhooks::store
