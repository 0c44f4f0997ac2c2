#include "kit/socket.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace klen::bench {

descriptor::~descriptor() {
    if (number_ >= 0)
        close(number_);
}

descriptor::descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

descriptor& descriptor::operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

descriptor connect_to_loopback(std::uint16_t port) {
    descriptor out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    if (!out || connect(out.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
        throw std::runtime_error("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
    int const on = 1;
    setsockopt(out.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return out;
}

std::uint16_t free_port() {
    descriptor const one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    socklen_t size = sizeof at;
    if (!one || bind(one.get(), reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        getsockname(one.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error("no port is free");
    return ntohs(at.sin_port);
}

bool listens_soon(std::uint16_t port) {
    for (int i = 0; i < 400; ++i) {
        try {
            connect_to_loopback(port);
            return true;
        } catch (std::exception const&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
        }
    }
    return false;
}

void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

std::string call(std::uint16_t port, std::string const& method, std::string const& path, std::string const& key,
                 std::string const& body, int expected_status) {
    auto const socket = connect_to_loopback(port);
    std::string const request =
        method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " + key +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    for (std::size_t sent = 0; sent < request.size();) {
        auto const n = ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        if (n <= 0)
            throw std::runtime_error(method + " " + path + ": the connection broke");
        sent += static_cast<std::size_t>(n);
    }
    std::string answer;
    std::array<char, 16384> buffer;
    for (ssize_t n = 0; (n = ::recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0;)
        answer.append(buffer.data(), static_cast<std::size_t>(n));
    if (!answer.starts_with("HTTP/1.1 " + std::to_string(expected_status)))
        throw std::runtime_error(method + " " + path + " answered " + answer.substr(0, 300));
    auto const head = answer.find("\r\n\r\n");
    return head == std::string::npos ? std::string() : answer.substr(head + 4);
}

} // namespace klen::bench
