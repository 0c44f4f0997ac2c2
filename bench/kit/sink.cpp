#include "kit/sink.hpp"

#include "kit/events.hpp"
#include "kit/sink_tls.hpp"
#include "kit/times.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <deque>
#include <list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

namespace klen::bench {

namespace {

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view slow_head = "HTTP/1.1 200 OK\r\nX-Slow: ";
constexpr std::string_view endless_head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n";
constexpr std::int64_t drip_every_ns = 1'000'000'000;

enum class manner { answer, hang, drip, endless };

manner manner_of(std::string_view path) {
    if (path.starts_with("/hang"))
        return manner::hang;
    if (path.starts_with("/drip"))
        return manner::drip;
    return path.starts_with("/endless") ? manner::endless : manner::answer;
}

template <class Number>
void raise(std::atomic<Number>& most, Number to) {
    if (to > most.load(std::memory_order_relaxed))
        most.store(to, std::memory_order_relaxed); // only the sink's thread writes
}

descriptor listen_everywhere(std::uint16_t& port) {
    descriptor out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int const on = 1;
    setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    socklen_t size = sizeof at;
    if (!out || bind(out.get(), reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(out.get(), 16384) != 0 ||
        getsockname(out.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error("the sink cannot listen");
    port = ntohs(at.sin_port);
    return out;
}

} // namespace

class sink::server {
  public:
    server(sink& owner, descriptor listener, options const& how)
        : owner_(owner), how_(how), listener_(std::move(listener)), poll_(epoll_create1(EPOLL_CLOEXEC)) {
        if (how.tls != nullptr)
            tls_ = std::make_unique<sink_tls>(*how.tls);
        watch(listener_.get(), EPOLLIN, nullptr);
        watch(owner_.wake_.get(), EPOLLIN, nullptr);
    }

    void run() {
        std::array<epoll_event, 256> events;
        while (!owner_.ends_) {
            int const n = epoll_pwait2(poll_.get(), events.data(), static_cast<int>(events.size()), timeout(), nullptr);
            for (int i = 0; i < n; ++i)
                handle(events[static_cast<std::size_t>(i)]);
            answer_what_is_due();
            drip();
            closed_.remove_if([](connection const& c) { return c.waiting == 0; });
        }
    }

  private:
    struct host {
        std::uint32_t connections = 0;
        std::uint32_t requests = 0;
    };
    struct connection {
        descriptor socket;
        ssl_ptr tls; ///< null: plain
        host* at = nullptr;
        std::string in;
        std::int64_t first_byte = 0;
        manner how = manner::answer;
        bool under_way = false;
        bool open = true;
        std::list<connection>::iterator place;
        int waiting = 0; ///< entries of later_ and drips_ that name it: it is kept until they are gone
    };
    struct later {
        std::int64_t at;
        connection* whom;
    };

    void watch(int number, std::uint32_t what, connection* whose) {
        epoll_event event{};
        event.events = what;
        event.data.ptr = whose;
        epoll_ctl(poll_.get(), EPOLL_CTL_ADD, number, &event);
    }

    timespec const* timeout() {
        std::int64_t until = drips_.empty() ? 1'000'000'000 : 100'000'000;
        if (!later_.empty())
            until = std::max<std::int64_t>(0, std::min(until, later_.front().at - now_ns()));
        timeout_ = {until / 1'000'000'000, until % 1'000'000'000};
        return &timeout_;
    }

    void handle(epoll_event const& event) {
        auto* whose = static_cast<connection*>(event.data.ptr);
        if (whose == nullptr)
            return accept_all();
        if (!whose->open)
            return;
        if ((event.events & EPOLLOUT) != 0)
            pour(*whose);
        if (whose->open && (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
            read(*whose);
    }

    void accept_all() {
        for (;;) {
            descriptor got(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!got)
                return;
            int const on = 1;
            setsockopt(got.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            sockaddr_in here{};
            socklen_t size = sizeof here;
            getsockname(got.get(), reinterpret_cast<sockaddr*>(&here), &size);
            auto& c = open_.emplace_back();
            c.place = std::prev(open_.end());
            c.socket = std::move(got);
            c.at = &hosts_[here.sin_addr.s_addr];
            raise(owner_.most_connections_, ++c.at->connections);
            if (tls_)
                c.tls = tls_->accept(c.socket.get(), here.sin_addr.s_addr);
            watch(c.socket.get(), EPOLLIN, &c);
        }
    }

    void read(connection& c) {
        std::array<char, 16384> buffer;
        // A record at most: what comes after it stays in the socket, which is ready again at once.
        auto const n = c.tls ? receive_through(*c.tls, buffer.data(), buffer.size())
                             : ::recv(c.socket.get(), buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            return close(c);
        if (c.in.empty())
            c.first_byte = now_ns();
        if (!c.under_way) {
            c.under_way = true;
            raise(owner_.most_requests_, ++c.at->requests);
        }
        c.in.append(buffer.data(), static_cast<std::size_t>(n));
        consume(c);
    }

    void consume(connection& c) {
        std::string_view const have = c.in;
        auto const head = have.find("\r\n\r\n");
        if (head == std::string_view::npos)
            return;
        std::size_t length = 0;
        if (auto const field = have.find("Content-Length: "); field < head)
            std::from_chars(have.data() + field + 16, have.data() + head, length);
        if (have.size() < head + 4 + length)
            return;
        auto const path = have.substr(5, have.find(' ', 5) - 5); // past "POST "
        c.how = manner_of(path);
        if (c.how == manner::answer)
            note(path, have.substr(head + 4, length), c.first_byte);
        c.in.clear(); // the client waits for its answer: nothing follows
        respond(c);
    }

    void note(std::string_view path, std::string_view body, std::int64_t first_byte) {
        std::size_t number = 0;
        std::from_chars(path.data() + 1, path.data() + path.size(), number);
        auto const slot = event_number_in(body) * how_.fan_out + number;
        if (slot < owner_.arrived_.size()) {
            std::int64_t none = 0;
            if (!owner_.arrived_[slot].compare_exchange_strong(none, first_byte))
                owner_.repeats_.fetch_add(1, std::memory_order_relaxed);
        }
        owner_.received_.fetch_add(1, std::memory_order_release); // whoever counts it finds its time
    }

    void respond(connection& c) {
        if (c.how != manner::answer)
            owner_.hostile_.fetch_add(1, std::memory_order_relaxed);
        switch (c.how) {
        case manner::answer:
            if (how_.answer_after.count() == 0)
                return answer(c);
            return wait(later_, c, how_.answer_after.count() * 1'000'000);
        case manner::hang:
            return;
        case manner::drip:
            send(c, slow_head);
            return wait(drips_, c, drip_every_ns);
        case manner::endless:
            send(c, endless_head);
            epoll_event event{};
            event.events = EPOLLIN | EPOLLOUT;
            event.data.ptr = &c;
            epoll_ctl(poll_.get(), EPOLL_CTL_MOD, c.socket.get(), &event);
            return;
        }
    }

    static void send(connection& c, std::string_view what) {
        // Small, and the client reads: what does not fit into the socket's buffer is of no interest.
        [[maybe_unused]] auto const n = write(c, what);
    }

    static ssize_t write(connection& c, std::string_view what) {
        return c.tls ? send_through(*c.tls, what.data(), what.size())
                     : ::send(c.socket.get(), what.data(), what.size(), MSG_NOSIGNAL);
    }

    void answer(connection& c) {
        send(c, ok);
        c.under_way = false;
        --c.at->requests;
    }

    static void wait(std::deque<later>& where, connection& c, std::int64_t how_long) {
        ++c.waiting;
        where.push_back({now_ns() + how_long, &c});
    }
    /// The next whose time has come and who is still connected. All of one queue wait equally long, so it is in order.
    static connection* next_due(std::deque<later>& of, std::int64_t now) {
        while (!of.empty() && of.front().at <= now) {
            auto* c = of.front().whom;
            of.pop_front();
            --c->waiting;
            if (c->open)
                return c;
        }
        return nullptr;
    }

    void answer_what_is_due() {
        auto const now = now_ns();
        while (auto* c = next_due(later_, now))
            answer(*c);
    }

    void drip() {
        auto const now = now_ns();
        while (auto* c = next_due(drips_, now)) {
            send(*c, "x");
            wait(drips_, *c, drip_every_ns);
        }
    }

    void pour(connection& c) {
        static std::string const much(65536, 'x');
        if (write(c, much) < 0 && errno != EAGAIN)
            close(c);
    }

    void close(connection& c) {
        --c.at->connections;
        if (c.under_way)
            --c.at->requests;
        c.open = false;
        c.tls.reset();
        c.socket = descriptor();
        // Events of this very round may still name it.
        closed_.splice(closed_.end(), open_, c.place);
    }

    sink& owner_;
    options how_;
    descriptor listener_;
    descriptor poll_;
    std::unique_ptr<sink_tls> tls_;
    timespec timeout_{};
    std::list<connection> open_;
    std::list<connection> closed_;
    std::unordered_map<std::uint32_t, host> hosts_;
    std::deque<later> later_;
    std::deque<later> drips_;
};

sink::sink(options const& how)
    : arrived_(how.deliveries_max), port_(how.port), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    auto listener = listen_everywhere(port_);
    thread_ = std::thread([this, how, made = std::make_shared<descriptor>(std::move(listener))] {
        server(*this, std::move(*made), how).run();
    });
}

sink::~sink() {
    ends_ = true;
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

void sink::reset() {
    for (auto& one : arrived_)
        one.store(0, std::memory_order_relaxed);
}

double sink::cpu_seconds() const {
    clockid_t clock{};
    timespec t{};
    if (pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) != 0)
        return 0;
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

} // namespace klen::bench
