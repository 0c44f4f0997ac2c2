#include "support/socket_audit.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

namespace klen::webhooks::testing {

namespace {

thread_local socket_audit* current = nullptr;

std::optional<socket_audit::destination> read_address(sockaddr_storage const& from) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    socket_audit::destination out;
    if (from.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &from, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
        out.port = ntohs(four.sin_port);
    } else if (from.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &from, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
        out.port = ntohs(six.sin6_port);
    } else {
        return std::nullopt;
    }
    out.address = text.data();
    return out;
}

bool is_stream(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

} // namespace

socket_audit::socket_audit() { current = this; }
socket_audit::~socket_audit() { current = nullptr; }

std::size_t socket_audit::bytes_read_from(std::uint16_t port) const {
    auto const at = read_.find(port);
    return at == read_.end() ? 0 : at->second;
}

void socket_audit::saw_read(int fd, std::size_t bytes) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (!is_stream(fd) || ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0)
        return;
    if (auto const from = read_address(peer))
        read_[from->port] += bytes;
}

namespace {

int audited_connect(int fd, sockaddr const* to, socklen_t size) {
    if (current != nullptr) {
        sockaddr_storage address{};
        std::memcpy(&address, to, std::min<std::size_t>(size, sizeof address));
        if (auto where = read_address(address)) {
            where->stream = is_stream(fd);
            current->saw_connect(std::move(*where));
        }
    }
    return static_cast<int>(::syscall(SYS_connect, fd, to, size));
}

ssize_t audited(int fd, ssize_t got) {
    int const error = errno;
    if (current != nullptr && got > 0)
        current->saw_read(fd, static_cast<std::size_t>(got));
    errno = error;
    return got;
}

} // namespace
} // namespace klen::webhooks::testing

// In front of the C library's, by name: the program's own symbols come first.
extern "C" {
int klen_audited_connect(int fd, sockaddr const* to, socklen_t size) __asm__("connect");
int klen_audited_connect(int fd, sockaddr const* to, socklen_t size) {
    return klen::webhooks::testing::audited_connect(fd, to, size);
}
ssize_t klen_audited_recv(int fd, void* to, size_t size, int flags) __asm__("recv");
ssize_t klen_audited_recv(int fd, void* to, size_t size, int flags) {
    return klen::webhooks::testing::audited(fd, ::syscall(SYS_recvfrom, fd, to, size, flags, nullptr, nullptr));
}
ssize_t klen_audited_recv_chk(int fd, void* to, size_t size, size_t room, int flags) __asm__("__recv_chk");
ssize_t klen_audited_recv_chk(int fd, void* to, size_t size, size_t room, int flags) {
    return size > room ? -1 : klen_audited_recv(fd, to, size, flags);
}
ssize_t klen_audited_recvmsg(int fd, msghdr* to, int flags) __asm__("recvmsg");
ssize_t klen_audited_recvmsg(int fd, msghdr* to, int flags) {
    return klen::webhooks::testing::audited(fd, ::syscall(SYS_recvmsg, fd, to, flags));
}
}
