#include "egress/resolver.hpp"

#include "egress/dns_cache.hpp"
#include "klen/webhooks/base/log.hpp"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <list>
#include <mutex>
#include <span>
#include <unordered_map>

namespace klen::webhooks::egress {

namespace ip = boost::asio::ip;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t addresses_max = 32;

/// c-ares asks `tries` times and doubles its patience each time: 1 + 2 + 4 parts of the timeout.
constexpr int tries = 3;
constexpr int timeout_parts = 7;

/// Once one family has answered, how long the other one is waited for: some name servers never answer AAAA.
constexpr milliseconds other_family_grace{250};

} // namespace

struct resolver::impl : std::enable_shared_from_this<impl> {
    /// One descriptor of c-ares that is being waited on.
    struct watch {
        explicit watch(executor const& ex) : descriptor(ex) {}
        asio::posix::stream_descriptor descriptor;
        bool want_read = false;
        bool want_write = false;
        bool reading = false;
        bool writing = false;
        bool gone = false;
    };

    struct waiter {
        explicit waiter(executor const& ex) : timer(ex) {}
        asio::steady_timer timer; ///< cancelled when the answer is there
        std::optional<resolution> answer;
    };

    /// One name being asked for, by however many.
    struct question {
        explicit question(executor const& ex) : grace(ex) {}
        std::string name;
        std::list<waiter*> waiters;
        std::vector<ip::address> addresses;
        int families_open = 0;
        int worst = ARES_SUCCESS; ///< of the families without addresses
        std::uint32_t ttl = 0;
        asio::steady_timer grace;
        bool answered = false;
    };

    /// Handed to c-ares for each query.
    struct query {
        std::weak_ptr<impl> owner;
        std::shared_ptr<question> what;
        int type = 0;
    };

    impl(executor e, resolver_options with)
        : ex(std::move(e)), options(std::move(with)), ares_timer(ex), cache(options.cached_names_max) {}
    ~impl() { close(); }

    executor ex;
    resolver_options options;
    ares_channel channel = nullptr;
    int channel_error = ARES_SUCCESS;
    bool stopped = false;
    asio::steady_timer ares_timer;
    std::unordered_map<int, std::shared_ptr<watch>> watches;
    std::unordered_map<std::string, std::shared_ptr<question>> open;
    dns_cache cache;

    void start();
    void close();

    // c-ares's descriptors and time-outs
    static void on_descriptor(void* self, ares_socket_t fd, int readable, int writable);
    void descriptor_changed(int fd, bool readable, bool writable);
    void wait_readable(std::shared_ptr<watch> const& w);
    void wait_writable(std::shared_ptr<watch> const& w);
    void arm_ares_timer();

    // questions
    std::optional<std::vector<ip::address>> from_hosts_file(std::string const& name);
    std::shared_ptr<question> ask(std::string const& name);
    static void on_answer(void* arg, int status, int timeouts, unsigned char* bytes, int size);
    void family_answered(std::shared_ptr<question> const& q, int status);
    void finish(std::shared_ptr<question> const& q);
    void remember(question const& q, resolution const& answer);
};

namespace {

void add_v4(std::vector<ip::address>& out, void const* at) {
    ip::address_v4::bytes_type bytes;
    std::memcpy(bytes.data(), at, bytes.size());
    out.emplace_back(ip::address_v4(bytes));
}

void add_v6(std::vector<ip::address>& out, void const* at) {
    ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), at, bytes.size());
    out.emplace_back(ip::address_v6(bytes));
}

/// Adds the IPv4 addresses of a reply, and shortens `ttl` to the time that they may be kept. A status of c-ares.
int read_a_reply(unsigned char const* bytes, int size, std::vector<ip::address>& out, std::uint32_t& ttl) {
    std::array<ares_addrttl, addresses_max> found{};
    int n = static_cast<int>(found.size());
    int const status = ares_parse_a_reply(bytes, size, nullptr, found.data(), &n);
    if (status != ARES_SUCCESS)
        return status;
    for (auto const& one : std::span(found).first(static_cast<std::size_t>(n))) {
        add_v4(out, &one.ipaddr);
        ttl = std::min(ttl, static_cast<std::uint32_t>(std::max(one.ttl, 0)));
    }
    return n > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

/// The same for IPv6.
int read_aaaa_reply(unsigned char const* bytes, int size, std::vector<ip::address>& out, std::uint32_t& ttl) {
    std::array<ares_addr6ttl, addresses_max> found{};
    int n = static_cast<int>(found.size());
    int const status = ares_parse_aaaa_reply(bytes, size, nullptr, found.data(), &n);
    if (status != ARES_SUCCESS)
        return status;
    for (auto const& one : std::span(found).first(static_cast<std::size_t>(n))) {
        add_v6(out, &one.ip6addr);
        ttl = std::min(ttl, static_cast<std::uint32_t>(std::max(one.ttl, 0)));
    }
    return n > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

bool is_not_found(int status) { return status == ARES_ENOTFOUND || status == ARES_ENODATA; }

/// Which of two statuses says more about why there is no address: errors, then silence, then "no such name".
int worse_of(int a, int b) {
    auto const rank = [](int s) { return s == ARES_SUCCESS ? 0 : is_not_found(s) ? 1 : s == ARES_ETIMEOUT ? 2 : 3; };
    return rank(a) >= rank(b) ? a : b;
}

bool no_descriptor_left() {
    int const fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE;
    ::close(fd);
    return false;
}

resolution without_addresses(int status) {
    switch (status) {
    case ARES_SUCCESS:
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return {resolve_status::not_found, {}, {}};
    case ARES_ETIMEOUT:
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return {resolve_status::timeout, {}, {}};
    case ARES_ENOMEM:
    case ARES_EFILE:
        return {resolve_status::local, {}, ares_strerror(status)};
    case ARES_ECONNREFUSED:
        // What c-ares says, too, when it cannot open a socket.
        if (no_descriptor_left())
            return {resolve_status::local, {}, "no file descriptor is left"};
        return {resolve_status::failure, {}, ares_strerror(status)};
    default:
        return {resolve_status::failure, {}, ares_strerror(status)};
    }
}

bool is_localhost(std::string_view name) { return name == "localhost" || name.ends_with(".localhost"); }

} // namespace

result<std::string> parse_dns_server(std::string const& text) {
    failure const wrong{fault::invalid_argument,
                        "\"" + text + "\" is not the address of a DNS server: write 192.0.2.1, 192.0.2.1:53, " +
                            "2001:db8::1 or [2001:db8::1]:53"};
    error_code ec;
    if (auto const whole = ip::make_address(text, ec); !ec)
        return whole.is_v4() ? whole.to_string() : "[" + whole.to_string() + "]";
    auto const colon = text.rfind(':');
    if (colon == std::string::npos)
        return wrong;
    std::uint16_t port = 0;
    auto const [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0)
        return wrong;
    auto host = text.substr(0, colon);
    bool const bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    auto const address = ip::make_address(host, ec);
    if (ec || address.is_v6() != bracketed)
        return wrong;
    return (bracketed ? "[" + address.to_string() + "]" : address.to_string()) + ":" + std::to_string(port);
}

void resolver::impl::start() {
    static std::once_flag once;
    std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });

    ares_options o{};
    o.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    o.timeout = static_cast<int>(std::max<milliseconds::rep>(options.timeout.count() / timeout_parts, 50));
    o.tries = tries;
    o.sock_state_cb = &impl::on_descriptor;
    o.sock_state_cb_data = this;
    channel_error =
        ares_init_options(&channel, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (channel_error == ARES_SUCCESS && !options.servers.empty()) {
        std::string list;
        for (auto const& server : options.servers)
            list += (list.empty() ? "" : ",") + server;
        channel_error = ares_set_servers_ports_csv(channel, list.c_str());
    }
    if (channel_error != ARES_SUCCESS)
        log::error("the resolver cannot be set up", {{"error.message", ares_strerror(channel_error)}});
}

void resolver::impl::close() {
    stopped = true;
    ares_timer.cancel();
    if (auto* const c = std::exchange(channel, nullptr); c != nullptr)
        ares_destroy(c); // calls back with ARES_EDESTRUCTION, and once more for each descriptor
}

// --- c-ares's descriptors and time-outs ---------------------------------------------------------------------------

void resolver::impl::on_descriptor(void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<impl*>(self)->descriptor_changed(fd, readable != 0, writable != 0);
}

void resolver::impl::descriptor_changed(int fd, bool readable, bool writable) {
    auto const at = watches.find(fd);
    if (!readable && !writable) {
        if (at == watches.end())
            return;
        // c-ares closes it next: it must leave the reactor before, and not be closed twice.
        at->second->gone = true;
        at->second->descriptor.release();
        watches.erase(at);
        return;
    }
    auto w = at != watches.end() ? at->second : std::make_shared<watch>(ex);
    if (at == watches.end()) {
        error_code ec;
        w->descriptor.assign(fd, ec);
        if (ec)
            return; // no room in the reactor: the question ends with c-ares's own time-out
        watches.emplace(fd, w);
    }
    w->want_read = readable;
    w->want_write = writable;
    wait_readable(w);
    wait_writable(w);
}

void resolver::impl::wait_readable(std::shared_ptr<watch> const& w) {
    if (!w->want_read || w->reading || w->gone)
        return;
    w->reading = true;
    w->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                             [weak = weak_from_this(), w](error_code const& ec) {
                                 w->reading = false;
                                 auto const self = weak.lock();
                                 if (ec || w->gone || !self || self->channel == nullptr)
                                     return;
                                 ares_process_fd(self->channel, w->descriptor.native_handle(), ARES_SOCKET_BAD);
                                 self->wait_readable(w);
                                 self->arm_ares_timer();
                             });
}

void resolver::impl::wait_writable(std::shared_ptr<watch> const& w) {
    if (!w->want_write || w->writing || w->gone)
        return;
    w->writing = true;
    w->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                             [weak = weak_from_this(), w](error_code const& ec) {
                                 w->writing = false;
                                 auto const self = weak.lock();
                                 if (ec || w->gone || !self || self->channel == nullptr)
                                     return;
                                 ares_process_fd(self->channel, ARES_SOCKET_BAD, w->descriptor.native_handle());
                                 self->wait_writable(w);
                                 self->arm_ares_timer();
                             });
}

void resolver::impl::arm_ares_timer() {
    if (channel == nullptr)
        return;
    timeval storage{};
    timeval const* const next = ares_timeout(channel, nullptr, &storage);
    if (next == nullptr) {
        ares_timer.cancel();
        return;
    }
    // A millisecond more, because c-ares compares against its own, later look at the clock.
    ares_timer.expires_after(std::chrono::seconds(next->tv_sec) + std::chrono::microseconds(next->tv_usec) +
                             milliseconds(1));
    ares_timer.async_wait([weak = weak_from_this()](error_code const& ec) {
        auto const self = weak.lock();
        if (ec || !self || self->channel == nullptr)
            return;
        ares_process_fd(self->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        self->arm_ares_timer();
    });
}

// --- questions ----------------------------------------------------------------------------------------------------

std::optional<std::vector<ip::address>> resolver::impl::from_hosts_file(std::string const& name) {
    std::vector<ip::address> out;
    for (int const family : {AF_INET, AF_INET6}) {
        hostent* raw = nullptr;
        if (ares_gethostbyname_file(channel, name.c_str(), family, &raw) != ARES_SUCCESS)
            continue;
        std::unique_ptr<hostent, void (*)(hostent*)> const entry(raw, ares_free_hostent);
        for (char** at = entry->h_addr_list; *at != nullptr && out.size() < addresses_max; ++at)
            entry->h_addrtype == AF_INET ? add_v4(out, *at) : add_v6(out, *at);
    }
    if (out.empty())
        return std::nullopt;
    return out;
}

std::shared_ptr<resolver::impl::question> resolver::impl::ask(std::string const& name) {
    if (auto const at = open.find(name); at != open.end())
        return at->second;
    auto q = std::make_shared<question>(ex);
    q->name = name;
    q->ttl = static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(options.cache_max).count());
    q->families_open = 2;
    open.emplace(name, q);
    // c-ares may call back before it returns.
    for (int const type : {ns_t_a, ns_t_aaaa})
        ares_query(channel, name.c_str(), ns_c_in, type, &impl::on_answer, new query{weak_from_this(), q, type});
    arm_ares_timer();
    return q;
}

void resolver::impl::on_answer(void* arg, int status, int, unsigned char* bytes, int size) {
    std::unique_ptr<query> const asked(static_cast<query*>(arg));
    auto const self = asked->owner.lock();
    if (!self || self->stopped)
        return;
    auto const& q = asked->what;
    if (status == ARES_SUCCESS && bytes != nullptr)
        status = asked->type == ns_t_a ? read_a_reply(bytes, size, q->addresses, q->ttl)
                                       : read_aaaa_reply(bytes, size, q->addresses, q->ttl);
    self->family_answered(q, status);
}

void resolver::impl::family_answered(std::shared_ptr<question> const& q, int status) {
    if (q->answered)
        return;
    --q->families_open;
    q->worst = worse_of(q->worst, status);
    if (q->families_open == 0) {
        finish(q);
        return;
    }
    if (q->addresses.empty())
        return;
    q->grace.expires_after(other_family_grace);
    q->grace.async_wait([weak = weak_from_this(), q](error_code const& ec) {
        if (auto const self = weak.lock(); !ec && self && !q->answered)
            self->finish(q);
    });
}

void resolver::impl::finish(std::shared_ptr<question> const& q) {
    q->answered = true;
    q->grace.cancel();
    open.erase(q->name);
    resolution answer =
        q->addresses.empty() ? without_addresses(q->worst) : resolution{resolve_status::found, q->addresses, {}};
    if (answer.addresses.size() > addresses_max)
        answer.addresses.resize(addresses_max);
    remember(*q, answer);
    for (auto* const w : q->waiters) {
        w->answer = answer;
        w->timer.cancel();
    }
    q->waiters.clear();
}

void resolver::impl::remember(question const& q, resolution const& answer) {
    milliseconds keep{};
    if (answer.status == resolve_status::found)
        keep = std::min<milliseconds>(std::chrono::seconds(q.ttl), options.cache_max);
    else if (answer.status == resolve_status::not_found || answer.status == resolve_status::failure)
        keep = options.negative_cache;
    if (keep <= milliseconds::zero())
        return;
    cache.put(q.name, answer, std::chrono::steady_clock::now() + keep);
}

resolver::resolver(executor ex, resolver_options with) : impl_(std::make_shared<impl>(std::move(ex), std::move(with))) {
    impl_->start();
}

resolver::~resolver() { stop(); }

void resolver::stop() {
    auto const self = impl_;
    self->close();
    for (auto& [name, q] : std::exchange(self->open, {})) {
        q->answered = true;
        q->grace.cancel();
        for (auto* const w : std::exchange(q->waiters, {}))
            w->timer.cancel();
    }
}

task<resolution> resolver::resolve(std::string name, steady_time until) {
    auto const self = impl_;
    if (self->stopped)
        co_return resolution{};
    if (self->channel_error != ARES_SUCCESS)
        co_return resolution{resolve_status::failure, {}, ares_strerror(self->channel_error)};
    // RFC 6761: never asked of a name server.
    if (is_localhost(name))
        co_return resolution{resolve_status::found, {ip::address_v4::loopback()}, {}};
    if (auto kept = self->cache.find(name, std::chrono::steady_clock::now()))
        co_return std::move(*kept);
    if (auto listed = self->from_hosts_file(name))
        co_return resolution{resolve_status::found, std::move(*listed), {}};

    auto const q = self->ask(name);
    if (q->answered) {
        // c-ares answered at once, so nobody was told; it is remembered only where that is allowed.
        co_return q->addresses.empty() ? without_addresses(q->worst)
                                       : resolution{resolve_status::found, q->addresses, {}};
    }
    impl::waiter w(self->ex);
    w.timer.expires_at(until);
    struct in_line {
        impl::question& q;
        std::list<impl::waiter*>::iterator at;
        ~in_line() {
            if (!q.answered)
                q.waiters.erase(at);
        }
    } const place{*q, q->waiters.insert(q->waiters.end(), &w)};
    error_code ec;
    co_await w.timer.async_wait(asio::redirect_error(use_task, ec));
    if (w.answer)
        co_return std::move(*w.answer);
    // Too late for the other family: what one has answered is enough to go on with.
    if (!q->addresses.empty())
        co_return resolution{resolve_status::found, q->addresses, {}};
    co_return resolution{};
}

} // namespace klen::webhooks::egress
