#include "store/unix_proxy.hpp"

#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace klen::webhooks::test {

namespace {

constexpr char const* socket_name = "/.s.PGSQL.5432";
constexpr int poll_ms = 5;

sockaddr_un address_of(std::string const& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    std::strncpy(out.sun_path, path.c_str(), sizeof out.sun_path - 1);
    return out;
}

sockaddr const* generic(sockaddr_un const& address) { return reinterpret_cast<sockaddr const*>(&address); }

bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return poll(&one, 1, 0) == 1;
}

/// False at the end of the stream.
bool forward(int from, int to) {
    char buffer[65536];
    auto const got = read(from, buffer, sizeof buffer);
    if (got <= 0)
        return false;
    for (ssize_t sent = 0; sent < got;) {
        auto const more = send(to, buffer + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
        if (more <= 0)
            return false;
        sent += more;
    }
    return true;
}

} // namespace

unix_proxy::unix_proxy(std::string const& url) {
    auto const start = url.find("host='") + 6;
    auto const end = url.find('\'', start);
    target_ = url.substr(start, end - start) + socket_name;
    auto pattern = (std::filesystem::temp_directory_path() / "klen-proxy-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
        throw std::runtime_error("no folder for the proxy");
    dir_ = pattern;
    url_ = url.substr(0, start) + dir_ + url.substr(end);
    auto const here = address_of(dir_ + socket_name);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener_, generic(here), sizeof here) != 0 || listen(listener_, 16) != 0)
        throw std::runtime_error("the proxy cannot listen");
    acceptor_ = std::thread([this] { accept_all(); });
}

unix_proxy::~unix_proxy() {
    stopping_ = true;
    acceptor_.join();
    for (auto& one : carriers_)
        one.join();
    close(listener_);
    std::filesystem::remove_all(dir_);
}

void unix_proxy::refuse() {
    refusing_ = true;
    ++generation_;
    while (carrying_ > 0)
        ::poll(nullptr, 0, 1);
}

void unix_proxy::accept_all() {
    while (!stopping_) {
        pollfd one{listener_, POLLIN, 0};
        if (poll(&one, 1, poll_ms) != 1)
            continue;
        int const client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        if (refusing_) {
            close(client);
        } else {
            ++carrying_;
            carriers_.emplace_back([this, client] { carry(client); });
        }
    }
}

void unix_proxy::carry(int client) {
    int const server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto const there = address_of(target_);
    bool armed = false;
    int const mine = generation_;
    if (connect(server, generic(there), sizeof there) == 0)
        while (!stopping_ && generation_ == mine && keep_going(client, server, armed)) {
        }
    close(server);
    close(client);
    --carrying_;
}

/// `armed`: a question went through whose answer is to be swallowed.
bool unix_proxy::keep_going(int client, int server, bool& armed) {
    pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(both, 2, poll_ms) <= 0)
        return true;
    if (readable(client)) {
        if (mode_ == mode::swallow_question) {
            mode_ = mode::pass;
            return false;
        }
        if (mode_ == mode::swallow_answer && questions_before_-- <= 0)
            armed = true;
        if (!forward(client, server))
            return false;
    }
    if (readable(server)) {
        if (armed) {
            mode_ = mode::pass;
            return false;
        }
        return forward(server, client);
    }
    return true;
}

} // namespace klen::webhooks::test
