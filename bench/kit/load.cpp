#include "kit/load.hpp"

#include "kit/cpu.hpp"
#include "kit/socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace klen::bench {

namespace {

struct connection {
    descriptor socket;
    std::string out;
    std::size_t written = 0;
    std::string in;
    std::uint64_t call = 0;
    std::int64_t intended = 0;
    bool busy = false;
    bool wants_write = false;
};

/// The answer at the front of `in`, once it is there in full.
struct answer {
    int status = 0;
    std::size_t bytes = 0;
};
std::optional<answer> answer_in(std::string_view in) {
    auto const head = in.find("\r\n\r\n");
    if (head == std::string_view::npos)
        return std::nullopt;
    answer out;
    std::from_chars(in.data() + 9, in.data() + 12, out.status);
    std::size_t length = 0;
    if (auto const field = in.find("Content-Length: "); field < head)
        std::from_chars(in.data() + field + 16, in.data() + head, length);
    out.bytes = head + 4 + length;
    if (in.size() < out.bytes)
        return std::nullopt;
    return out;
}

class generator {
  public:
    explicit generator(load_plan const& plan) : plan_(plan), poll_(epoll_create1(EPOLL_CLOEXEC)) {
        auto const wanted = plan.rate * plan.seconds;
        calls_ = plan.rate > 0 ? std::min(plan.calls_max, static_cast<std::uint64_t>(wanted)) : plan.calls_max;
        result_.latency_ns.reserve(static_cast<std::size_t>(std::min(static_cast<double>(calls_), 1e6)));
        for (unsigned i = 0; i < plan.connections; ++i)
            connect();
    }

    load_result run() {
        auto const cpu = cpu_of_this_thread();
        began_ = now_ns();
        result_.began_ns = began_;
        ends_ = plan_.seconds > 0 ? began_ + static_cast<std::int64_t>(plan_.seconds * 1e9)
                                  : std::numeric_limits<std::int64_t>::max();
        auto const gives_up = plan_.seconds > 0 ? ends_ + static_cast<std::int64_t>(plan_.seconds * 1e9 + 10e9) : ends_;
        while (now_ns() < gives_up) {
            send_what_is_due();
            if (busy_ == 0 && nothing_more())
                break;
            wait();
        }
        result_.lost += busy_ + (plan_.rate > 0 ? calls_ - next_ : 0);
        result_.seconds = static_cast<double>(last_answer_ - began_) * 1e-9;
        result_.cpu_seconds = cpu_of_this_thread() - cpu;
        return std::move(result_);
    }

  private:
    void connect() {
        auto made = std::make_unique<connection>();
        made->socket = connect_to_loopback(plan_.port);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = made.get();
        epoll_ctl(poll_.get(), EPOLL_CTL_ADD, made->socket.get(), &event);
        free_.push_back(made.get());
        all_.push_back(std::move(made));
    }

    std::int64_t due(std::uint64_t n) const {
        return plan_.rate > 0 ? began_ + static_cast<std::int64_t>(static_cast<double>(n) / plan_.rate * 1e9) : 0;
    }
    bool nothing_more() const { return next_ >= calls_ || (plan_.rate <= 0 && now_ns() >= ends_) || all_.empty(); }

    void send_what_is_due() {
        while (!free_.empty() && !nothing_more()) {
            auto const now = now_ns();
            if (due(next_) > now)
                return;
            auto& c = *free_.front();
            free_.pop_front();
            c.call = next_++;
            c.intended = plan_.rate > 0 ? due(c.call) : now;
            if (plan_.rate > 0)
                result_.lateness_ns.push_back(now - c.intended);
            c.busy = true;
            ++busy_;
            c.out.clear();
            c.written = 0;
            plan_.write(c.out, c.call);
            write(c);
        }
    }

    void write(connection& c) {
        while (c.written < c.out.size()) {
            auto const n =
                ::send(c.socket.get(), c.out.data() + c.written, c.out.size() - c.written, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN)
                return broken(c);
            if (n < 0)
                return want_write(c, true);
            c.written += static_cast<std::size_t>(n);
        }
        want_write(c, false);
    }

    void want_write(connection& c, bool wanted) {
        if (c.wants_write == wanted)
            return;
        c.wants_write = wanted;
        epoll_event event{};
        event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
        event.data.ptr = &c;
        epoll_ctl(poll_.get(), EPOLL_CTL_MOD, c.socket.get(), &event);
    }

    void wait() {
        std::array<epoll_event, 256> events;
        auto const now = now_ns();
        std::int64_t until = now + 100'000'000;
        if (plan_.rate > 0 && !free_.empty() && next_ < calls_)
            until = std::clamp(due(next_), now, until);
        timespec const timeout{(until - now) / 1'000'000'000, (until - now) % 1'000'000'000};
        int const n = epoll_pwait2(poll_.get(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
        for (int i = 0; i < n; ++i) {
            auto const& event = events[static_cast<std::size_t>(i)];
            auto& c = *static_cast<connection*>(event.data.ptr);
            if ((event.events & EPOLLOUT) != 0)
                write(c);
            if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
                read(c);
        }
    }

    void read(connection& c) {
        if (!c.socket)
            return;
        std::array<char, 16384> buffer;
        auto const n = ::recv(c.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            return broken(c);
        c.in.append(buffer.data(), static_cast<std::size_t>(n));
        if (!c.busy)
            return broken(c); // nobody asked
        if (auto const got = answer_in(c.in))
            finish(c, *got);
    }

    void finish(connection& c, answer got) {
        last_answer_ = now_ns();
        if (got.status >= 200 && got.status < 300) {
            ++result_.accepted;
            result_.latency_ns.push_back(last_answer_ - c.intended);
        } else {
            ++result_.refused;
            if (result_.first_refusal.empty())
                result_.first_refusal = c.in.substr(0, got.bytes);
        }
        c.in.erase(0, got.bytes);
        c.busy = false;
        --busy_;
        free_.push_back(&c);
        if (plan_.answered)
            plan_.answered(c.call, got.status, last_answer_);
    }

    /// A connection that breaks is not made again: a server that drops its publishers shows as calls that were lost.
    void broken(connection& c) {
        if (c.busy) {
            ++result_.lost;
            --busy_;
        }
        std::erase(free_, &c);
        c.busy = false;
        c.socket = descriptor();
        if (std::ranges::none_of(all_, [](auto const& one) { return static_cast<bool>(one->socket); }))
            throw std::runtime_error("the server has closed every connection of the load generator");
    }

    load_plan const& plan_;
    descriptor poll_;
    std::vector<std::unique_ptr<connection>> all_;
    std::deque<connection*> free_; ///< first in, first out: the load walks over all connections
    std::uint64_t calls_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t busy_ = 0;
    std::int64_t began_ = 0;
    std::int64_t ends_ = 0;
    std::int64_t last_answer_ = 0;
    load_result result_;
};

} // namespace

load_result run_load(load_plan const& plan) { return generator(plan).run(); }

} // namespace klen::bench
