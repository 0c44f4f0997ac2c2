#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace klen::webhooks::testing_support {

struct raw_response {
    int status = 0; ///< 0: the connection ended before a complete head
    std::string head;
    std::string body;

    std::optional<std::string> header(std::string_view name) const {
        std::size_t at = 0;
        while ((at = head.find("\r\n", at)) != std::string::npos) {
            at += 2;
            auto const end = std::min(head.find("\r\n", at), head.size());
            std::string_view const line(head.data() + at, end - at);
            if (line.size() > name.size() && line[name.size()] == ':' &&
                std::equal(name.begin(), name.end(), line.begin(),
                           [](char a, char b) { return (a | 0x20) == (b | 0x20); }))
                return std::string(line.substr(name.size() + 2));
        }
        return std::nullopt;
    }
};

/// A socket that is not connected yet.
class unconnected {
  public:
    unconnected() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    ~unconnected() {
        if (socket_ >= 0)
            ::close(socket_);
    }
    unconnected(unconnected const&) = delete;
    unconnected& operator=(unconnected const&) = delete;

    int release() { return std::exchange(socket_, -1); }

  private:
    int socket_;
};

/// A blocking client that sends any bytes. It gives up after ten seconds: a server that hangs is a failed test.
class raw_client {
  public:
    explicit raw_client(std::uint16_t port) : raw_client(unconnected(), port) {}
    raw_client(unconnected&& socket, std::uint16_t port) : socket_(socket.release()) {
        timeval const limit{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto const* address = reinterpret_cast<sockaddr const*>(&to);
        EXPECT_EQ(::connect(socket_, address, sizeof to), 0);
    }
    virtual ~raw_client() { ::close(socket_); }
    raw_client(raw_client const&) = delete;
    raw_client& operator=(raw_client const&) = delete;

    /// False when the server has closed.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            ssize_t const n = write_bytes(bytes);
            if (n <= 0)
                return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

    /// The next response; `without_body`: to a HEAD.
    raw_response receive(bool without_body = false) {
        raw_response out;
        std::size_t end = 0;
        while ((end = pending_.find("\r\n\r\n")) == std::string::npos)
            if (!read_more())
                return out;
        out.head = pending_.substr(0, end + 2);
        pending_.erase(0, end + 4);
        std::from_chars(out.head.data() + 9, out.head.data() + 12, out.status);
        std::size_t length = 0;
        if (auto const text = out.header("Content-Length"); text && !without_body)
            std::from_chars(text->data(), text->data() + text->size(), length);
        while (pending_.size() < length)
            if (!read_more())
                break;
        out.body = pending_.substr(0, length);
        pending_.erase(0, out.body.size());
        return out;
    }

    raw_response exchange(std::string_view bytes) {
        send(bytes);
        return receive();
    }

    /// The server waits for the body of a request of this client, which POSTs it later.
    bool begin_body(std::string_view path, std::size_t bytes) {
        return exchange("POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" +
                        "Expect: 100-continue\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n")
                   .status == 100;
    }

    /// Did the server end the connection, without more bytes and without a reset?
    bool ended() { return pending_.empty() && !read_more() && !failed_; }
    /// Nothing came within the time.
    bool silent_for(int ms) {
        timeval const limit{.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000L};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        char byte = 0;
        ssize_t const n = ::recv(socket_, &byte, 1, MSG_PEEK);
        return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
    void shut_down_sending() { ::shutdown(socket_, SHUT_WR); }

  protected:
    int native() const { return socket_; }

  private:
    virtual ssize_t write_bytes(std::string_view bytes) {
        return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    virtual ssize_t read_bytes(std::span<char> into) { return ::recv(socket_, into.data(), into.size(), 0); }

    bool read_more() {
        std::array<char, 65536> bytes{};
        ssize_t const n = read_bytes(bytes);
        failed_ = n < 0;
        if (n > 0)
            pending_.append(bytes.data(), static_cast<std::size_t>(n));
        return n > 0;
    }

    int socket_;
    std::string pending_;
    bool failed_ = false;
};

} // namespace klen::webhooks::testing_support
