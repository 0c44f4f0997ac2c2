#include "support/scripted_receiver.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>

namespace klen::webhooks::testing {

namespace {

int bind_tcp(std::string const& address, std::uint16_t& port) {
    int const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int const on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    socklen_t size = sizeof at;
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error("test receiver: cannot bind " + address);
    port = ntohs(at.sin_port);
    return fd;
}

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

} // namespace

script& script::answer(int status, std::string_view body, std::string_view fields) {
    read_request();
    std::string bytes = "HTTP/1.1 " + std::to_string(status) + " Some\r\n";
    bytes += fields;
    bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    bytes += body;
    return send(std::move(bytes));
}

std::optional<std::string> received_request::header(std::string_view name) const {
    for (std::size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size();) {
        auto const end = head.find("\r\n", at + 2);
        auto const line = std::string_view(head).substr(at + 2, end - at - 2);
        auto const colon = line.find(':');
        if (colon != std::string_view::npos && same_name(line.substr(0, colon), name)) {
            auto value = line.substr(colon + 1);
            value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
            return std::string(value);
        }
        at = end;
    }
    return std::nullopt;
}

/// One connection, in its own thread, with blocking calls: whoever stops the receiver shuts the socket down.
class scripted_connection {
  public:
    scripted_connection(scripted_receiver& owner, int fd, int number, script const& what)
        : owner_(owner), fd_(fd), number_(number), script_(what) {}

    void run() {
        if (shake_hands()) {
            std::size_t at = 0;
            while (at < script_.steps().size() && !over_) {
                auto const& step = script_.steps()[at];
                at = step.what == script::action::again ? 0 : at + 1;
                perform(step);
            }
        }
        finish();
    }

  private:
    bool shake_hands() {
        if (!owner_.tls_)
            return true;
        ssl_.reset(SSL_new(owner_.tls_.get()));
        SSL_set_fd(ssl_.get(), fd_);
        return SSL_accept(ssl_.get()) == 1;
    }

    void finish() {
        if (ssl_ && !reset_ && !owner_.options_.without_close_notify)
            SSL_shutdown(ssl_.get());
        // A close with unread bytes would send a RST, which could overtake the answer: let the peer close first, for a
        // moment.
        if (!reset_ && !owner_.options_.without_close_notify) {
            ::shutdown(fd_, SHUT_WR);
            timeval const patience{0, 200'000};
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            std::array<char, 4096> rest;
            while (::recv(fd_, rest.data(), rest.size(), 0) > 0) {
            }
        }
        std::lock_guard lock(owner_.mutex_);
        std::erase(owner_.open_, fd_);
        ::close(fd_);
        owner_.changed_.notify_all();
    }

    bool receive_some() {
        std::array<char, 16384> bytes;
        auto const n = ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                            : ::recv(fd_, bytes.data(), bytes.size(), 0);
        if (n <= 0) {
            over_ = true;
            return false;
        }
        in_.append(bytes.data(), static_cast<std::size_t>(n));
        return true;
    }

    bool send_all(std::string_view bytes, bool through_tls = true) {
        while (!bytes.empty()) {
            auto const n = ssl_ && through_tls ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                               : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) {
                over_ = true;
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

    void wait(std::chrono::milliseconds time) {
        std::unique_lock lock(owner_.mutex_);
        if (owner_.changed_.wait_for(lock, time, [this] { return owner_.stopping_; }))
            over_ = true;
    }

    void perform(script::step const& s) {
        using action = script::action;
        switch (s.what) {
        case action::read_request:
            read_request();
            break;
        case action::read:
            read(s.count);
            break;
        case action::send:
            s.time == std::chrono::milliseconds::zero() ? void(send_all(s.bytes)) : trickle(s);
            break;
        case action::send_raw:
            send_all(s.bytes, false);
            break;
        case action::flood:
            while (send_all(s.bytes)) {
            }
            break;
        case action::pause:
            wait(s.time);
            break;
        case action::hang:
            while (receive_some())
                in_.clear();
            break;
        case action::half_close:
            ssl_ ? SSL_shutdown(ssl_.get()) : ::shutdown(fd_, SHUT_WR);
            break;
        case action::reset:
            reset_at_close();
            break;
        case action::again:
            break;
        }
    }

    void read_request() {
        std::size_t end = 0;
        while ((end = in_.find("\r\n\r\n")) == std::string::npos)
            if (!receive_some())
                return;
        received_request out;
        out.connection = number_;
        out.head = in_.substr(0, end + 2);
        in_.erase(0, end + 4);
        auto const length = static_cast<std::size_t>(std::stoul(out.header("Content-Length").value_or("0")));
        while (in_.size() < length)
            if (!receive_some())
                return;
        out.body = in_.substr(0, length);
        in_.erase(0, length);
        if (auto const* const name = ssl_ ? SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr)
            out.server_name = name;
        std::lock_guard lock(owner_.mutex_);
        owner_.requests_.push_back(std::move(out));
        owner_.changed_.notify_all();
    }
    void read(std::size_t count) {
        while (in_.size() < count)
            if (!receive_some())
                return;
        in_.erase(0, count);
    }

    void trickle(script::step const& s) {
        for (std::size_t i = 0; i < s.bytes.size() && !over_; ++i) {
            send_all(std::string_view(s.bytes).substr(i, 1));
            wait(s.time);
        }
    }

    void reset_at_close() {
        linger const at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        reset_ = true;
        over_ = true;
    }

    scripted_receiver& owner_;
    int fd_;
    int number_;
    script const& script_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
    std::string in_;
    bool over_ = false;
    bool reset_ = false;
};

scripted_receiver::scripted_receiver(std::vector<script> one_per_connection, options with)
    : scripts_(std::move(one_per_connection)), options_(std::move(with)), port_(options_.port) {
    std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    if (options_.identity)
        tls_ = make_tls_server_context(*options_.identity, options_.tls_version_max, options_.refuses_sessions);
    if (tls_ && options_.wants_client_certificate)
        SSL_CTX_set_verify(tls_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    listener_ = bind_tcp(options_.address, port_);
    ::listen(listener_, 256);
    acceptor_ = std::thread([this] { accept_all(); });
}

scripted_receiver::~scripted_receiver() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        for (int fd : open_)
            ::shutdown(fd, SHUT_RDWR);
        changed_.notify_all();
    }
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (auto& t : threads_)
        t.join();
}

void scripted_receiver::accept_all() {
    for (;;) {
        int const fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        std::lock_guard lock(mutex_);
        if (fd < 0 || stopping_) {
            if (fd >= 0)
                ::close(fd);
            return;
        }
        int const on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        open_.push_back(fd);
        int const number = ++accepted_;
        changed_.notify_all();
        auto const& what = scripts_[std::min(static_cast<std::size_t>(number), scripts_.size()) - 1];
        threads_.emplace_back([this, fd, number, &what] { scripted_connection(*this, fd, number, what).run(); });
    }
}

std::string scripted_receiver::url(std::string_view path, std::string_view host) const {
    std::string out = options_.identity ? "https://" : "http://";
    out += host.empty() ? std::string_view(options_.address) : host;
    out += ":" + std::to_string(port_);
    out += path;
    return out;
}

std::vector<received_request> scripted_receiver::requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
}

int scripted_receiver::connections() const {
    std::lock_guard lock(mutex_);
    return accepted_;
}

bool scripted_receiver::wait_for_requests(std::size_t count, std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return requests_.size() >= count; });
}

bool scripted_receiver::wait_for_connections(int count, std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return accepted_ >= count; });
}

bool scripted_receiver::wait_until_closed(std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return open_.empty(); });
}

black_hole::black_hole() {
    listener_ = bind_tcp("127.0.0.1", port_);
    ::listen(listener_, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port_);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 8; ++i) {
        int const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        static_cast<void>(::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at));
        fillers_.push_back(fd);
    }
}

black_hole::~black_hole() {
    for (int fd : fillers_)
        ::close(fd);
    ::close(listener_);
}

closed_port::closed_port() { holder_ = bind_tcp("127.0.0.1", port_); }
closed_port::~closed_port() { ::close(holder_); }

} // namespace klen::webhooks::testing
