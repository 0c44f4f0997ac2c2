#include "support/fake_dns.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace klen::webhooks::testing {

namespace {

constexpr int type_a = 1;
constexpr int type_aaaa = 28;
constexpr std::size_t header_bytes = 12;

void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8 & 0xff);
    out += static_cast<char>(value & 0xff);
}

unsigned rcode_of(dns_answer::kind what) {
    switch (what) {
    case dns_answer::kind::no_such_name:
        return 3;
    case dns_answer::kind::server_failure:
        return 2;
    case dns_answer::kind::refused:
        return 5;
    default:
        return 0;
    }
}

/// The records' data for one query type.
std::vector<std::string> records(dns_answer const& answer, int type) {
    std::vector<std::string> out;
    if (answer.what != dns_answer::kind::addresses)
        return out;
    for (auto const& text : answer.addresses) {
        std::array<char, 16> bytes{};
        bool const is_v6 = text.find(':') != std::string::npos;
        if (is_v6 != (type == type_aaaa) || inet_pton(is_v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()) != 1)
            continue;
        out.emplace_back(bytes.data(), is_v6 ? 16 : 4);
    }
    return out;
}

} // namespace

fake_dns::fake_dns() {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (socket_ < 0 || ::bind(socket_, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error("fake name server: cannot bind");
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
}

fake_dns::~fake_dns() {
    stopping_ = true;
    // Wakes the thread: a datagram to itself.
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port_);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::sendto(socket_, "", 0, 0, reinterpret_cast<sockaddr*>(&at), sizeof at);
    thread_.join();
    ::close(socket_);
}

void fake_dns::tell(std::string const& name, std::vector<dns_answer> in_turn) {
    std::lock_guard lock(mutex_);
    names_[name] = {std::move(in_turn), {}};
}

void fake_dns::tell_all_below(std::string const& suffix, std::function<dns_answer()> invent) {
    std::lock_guard lock(mutex_);
    invented_suffix_ = suffix;
    invent_ = std::move(invent);
}

int fake_dns::questions(std::string const& name) const {
    std::lock_guard lock(mutex_);
    auto const at = names_.find(name);
    if (at == names_.end())
        return 0;
    auto const asked = at->second.asked.find(type_a);
    return asked == at->second.asked.end() ? 0 : static_cast<int>(asked->second);
}

void fake_dns::serve() {
    std::array<char, 1500> bytes;
    for (;;) {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        auto const n = ::recvfrom(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (stopping_)
            return;
        if (n < static_cast<ssize_t>(header_bytes))
            continue;
        auto const reply = reply_to(std::string(bytes.data(), static_cast<std::size_t>(n)));
        if (!reply.empty())
            ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
}

std::string fake_dns::reply_to(std::string const& query) {
    std::string name;
    std::size_t at = header_bytes;
    while (at < query.size() && query[at] != 0) {
        auto const length = static_cast<std::size_t>(static_cast<unsigned char>(query[at]));
        name += (name.empty() ? "" : ".") + query.substr(at + 1, length);
        at += 1 + length;
    }
    if (at + 5 > query.size())
        return {};
    int const type = static_cast<unsigned char>(query[at + 1]) << 8 | static_cast<unsigned char>(query[at + 2]);
    auto const question = query.substr(header_bytes, at + 5 - header_bytes);

    dns_answer answer{dns_answer::kind::no_such_name, {}, 0, false};
    {
        std::lock_guard lock(mutex_);
        ++questions_;
        if (invent_ && name.ends_with(invented_suffix_))
            answer = invent_();
        else if (auto const known = names_.find(name); known != names_.end()) {
            auto& turn = known->second.asked[type];
            answer = known->second.answers[std::min(turn, known->second.answers.size() - 1)];
            ++turn;
        }
    }
    if (answer.what == dns_answer::kind::silence || (answer.silent_about_ipv6 && type == type_aaaa))
        return {};

    auto const found = records(answer, type);
    std::string out = query.substr(0, 2);
    put16(out, 0x8180 | rcode_of(answer.what)); // a recursive server's response
    put16(out, 1);
    put16(out, static_cast<unsigned>(found.size()));
    put16(out, 0);
    put16(out, 0);
    out += question;
    for (auto const& data : found) {
        put16(out, 0xc000 | header_bytes); // the question's name
        put16(out, static_cast<unsigned>(type));
        put16(out, 1);
        put16(out, answer.ttl >> 16);
        put16(out, answer.ttl & 0xffff);
        put16(out, static_cast<unsigned>(data.size()));
        out += data;
    }
    return out;
}

} // namespace klen::webhooks::testing
