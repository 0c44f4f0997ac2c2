#include "app/private_file.hpp"

#include "app/text_input.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

failure io_failure(std::string const& what, std::string const& path) {
    return {fault::io, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        auto const n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

/// A new file that only its owner may read, in place of what an interrupted write left there.
result<int> make_fresh(std::string const& path) {
    ::unlink(path.c_str());
    int const fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_failure("make", path);
    return fd;
}

} // namespace

result<void> check_private_file(std::string const& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
        return failure{fault::io, path + " is a folder"};
    auto const fresh = path + ".new";
    auto const fd = make_fresh(fresh);
    if (fd.has_error())
        return fd.error();
    ::close(*fd);
    ::unlink(fresh.c_str());
    return {};
}

result<void> write_private_file(std::string const& path, std::string_view contents) {
    auto const fresh = path + ".new";
    auto const made = make_fresh(fresh);
    if (made.has_error())
        return made.error();
    int const fd = *made;
    bool const written = write_all(fd, contents) && ::fsync(fd) == 0;
    int const why = errno;
    ::close(fd);
    errno = why;
    if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
        auto failed = io_failure("write", path);
        ::unlink(fresh.c_str());
        return failed;
    }
    return {};
}

result<void> remove_private_file(std::string const& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return io_failure("remove", path);
    return {};
}

result<std::optional<std::string>> read_private_file(std::string const& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT)
            return std::optional<std::string>{};
        return io_failure("look at", path);
    }
    if (!S_ISREG(info.st_mode))
        return failure{fault::io, path + " is no ordinary file"};
    auto text = read_input(path, std::size_t{64} << 10);
    if (text.has_error())
        return text.error();
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' '))
        text->pop_back();
    return std::optional<std::string>(std::move(*text));
}

} // namespace klen::webhooks::app
