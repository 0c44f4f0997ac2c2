#include "faults/sockets.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace klen::webhooks::faults {

wall_us now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

void descriptor::close() {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

void descriptor::reset() {
    linger const at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

void descriptor::half_close() const { ::shutdown(fd_, SHUT_WR); }

wake_pipe::wake_pipe() {
    int both[2] = {-1, -1};
    if (::pipe2(both, O_NONBLOCK | O_CLOEXEC) != 0)
        throw std::runtime_error("no pipe");
    reader_ = descriptor(both[0]);
    writer_ = descriptor(both[1]);
}

void wake_pipe::wake() const { [[maybe_unused]] auto const ignored = ::write(writer_.get(), "w", 1); }

void wake_pipe::drain() const {
    char all[256];
    while (::read(reader_.get(), all, sizeof all) > 0) {
    }
}

descriptor listen_on_loopback(std::uint16_t& port) {
    descriptor out(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const generic = reinterpret_cast<sockaddr*>(&here);
    socklen_t size = sizeof here;
    if (::bind(out.get(), generic, size) != 0 || ::listen(out.get(), 1024) != 0 ||
        ::getsockname(out.get(), generic, &size) != 0)
        throw std::runtime_error("cannot listen on 127.0.0.1");
    port = ntohs(here.sin_port);
    return out;
}

descriptor accept_from(descriptor const& listener) {
    descriptor out(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    int const on = 1;
    if (out)
        ::setsockopt(out.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return out;
}

descriptor connect_to_unix(std::string const& path) {
    descriptor out(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un there{};
    there.sun_family = AF_UNIX;
    std::strncpy(there.sun_path, path.c_str(), sizeof there.sun_path - 1);
    if (::connect(out.get(), reinterpret_cast<sockaddr const*>(&there), sizeof there) != 0)
        return {};
    ::fcntl(out.get(), F_SETFL, O_NONBLOCK);
    return out;
}

io read_some(int fd, std::string& into) {
    char buffer[65536];
    auto const got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got > 0) {
        into.append(buffer, static_cast<std::size_t>(got));
        return io::done;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? io::blocked : io::closed;
}

io write_some(int fd, std::string& from) {
    auto const sent = ::send(fd, from.data(), from.size(), MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? io::blocked : io::closed;
    from.erase(0, static_cast<std::size_t>(sent));
    return from.empty() ? io::done : io::blocked;
}

bool answers(std::uint16_t port, std::chrono::milliseconds bound) {
    descriptor const fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr const*>(&to), sizeof to) == 0 || errno != EINPROGRESS)
        return true;
    pollfd watched{fd.get(), POLLOUT, 0};
    return ::poll(&watched, 1, static_cast<int>(bound.count())) > 0;
}

void let_packets_in(int fd, bool in) {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    sock_fprog const filter{1, &nothing};
    int const none = 0;
    if (in)
        ::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    else if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        throw std::runtime_error("no filter can be set on a socket");
}

void pause_for(std::chrono::milliseconds time) {
    auto const until = std::chrono::steady_clock::now() + time;
    for (;;) {
        auto const left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
        if (left <= 0)
            return;
        ::poll(nullptr, 0, static_cast<int>(left));
    }
}

} // namespace klen::webhooks::faults
