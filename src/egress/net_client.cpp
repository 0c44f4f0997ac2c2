#include "egress/attempt_text.hpp"
#include "egress/client_context.hpp"
#include "egress/connection_pool.hpp"
#include "egress/resolver.hpp"
#include "egress/tls_support.hpp"
#include "klen/webhooks/base/log.hpp"

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <atomic>
#include <exception>

namespace klen::webhooks::egress {

namespace ip = boost::asio::ip;
using boost::system::error_code;
using policy::attempt_result;
using policy::error_class;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

/// However many addresses a name has: each one costs its share of the time.
constexpr std::size_t addresses_tried_max = 6;
/// What a peer may ask for with `Keep-Alive: timeout=…` before it is taken for a way to fill our tables.
constexpr std::chrono::seconds keep_alive_max{60};

struct counters {
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> connections_opened{0};
    std::atomic<std::uint64_t> connections_reused{0};
    std::atomic<std::uint64_t> reused_connection_died{0};
    std::atomic<std::uint64_t> tls_sessions_resumed{0};
};

void count(std::atomic<std::uint64_t>& which) { which.fetch_add(1, std::memory_order_relaxed); }

/// IPv4 and IPv6 in turns, so that a family without a route costs one try and not all of them.
std::vector<ip::address> dial_order(std::vector<ip::address> const& all) {
    std::vector<ip::address> four;
    std::vector<ip::address> six;
    for (auto const& a : all)
        (a.is_v4() ? four : six).push_back(a);
    std::vector<ip::address> out;
    for (std::size_t i = 0; i < std::max(four.size(), six.size()) && out.size() < addresses_tried_max; ++i) {
        if (i < four.size())
            out.push_back(four[i]);
        if (i < six.size())
            out.push_back(six[i]);
    }
    if (out.size() > addresses_tried_max)
        out.resize(addresses_tried_max);
    return out;
}

std::string request_head(post_request const& r) {
    std::string out;
    out.reserve(r.headers.size() + r.to->path_and_query.size() + r.to->host_header.size() + 64);
    out += "POST ";
    out += r.to->path_and_query;
    out += " HTTP/1.1\r\n";
    out += framing_lines(*r.to, r.body.size());
    out += r.headers;
    out += "\r\n";
    return out;
}

/// Either addresses that may all be dialled, or why there are none.
struct destination {
    std::vector<ip::address> addresses;
    attempt_result refusal;
};

/// Either a connection that is ready for a request, or why there is none.
struct opened {
    connection_ptr connection;
    attempt_result refusal;
};

struct sent {
    attempt_result result;
    bool died_unanswered = false; ///< the connection ended before the first byte of an answer
};

/// Who is inside, so that stopping can wait for the last one. Shared, because frames of posts that are dropped with
/// their io_context may outlive the client.
struct attendance {
    std::size_t under_way = 0;
    std::vector<std::function<void()>> waiting;
};

/// Counts a post for as long as it lives, however it ends.
class presence {
  public:
    explicit presence(std::shared_ptr<attendance> where) : where_(std::move(where)) { ++where_->under_way; }
    ~presence() {
        if (--where_->under_way > 0)
            return;
        for (auto const& wake : std::exchange(where_->waiting, {}))
            wake();
    }
    presence(presence const&) = delete;
    presence& operator=(presence const&) = delete;

  private:
    std::shared_ptr<attendance> where_;
};

class net_client_impl final : public net_client {
  public:
    net_client_impl(executor ex, client_context_ptr context)
        : ex_(ex), context_(std::move(context)), resolver_(ex, context_->dns),
          pool_(std::make_shared<connection_pool>(
              ex, connection_pool::limits{context_->config.idle_connections_per_origin_max,
                                          context_->config.idle_connections_max})),
          sessions_(std::make_shared<tls_session_cache>()) {}
    ~net_client_impl() override { pool_->stop(); }

    task<attempt_result> post(post_request request) override;
    task<std::optional<std::string>> judge_target(target to, steady_time until) override;
    task<void> stop() override;
    client_stats stats() const override;

  private:
    task<attempt_result> attempt(post_request r);
    task<sent> send(connection_ptr over, post_request r, std::string key);
    task<opened> open(post_request r, std::string key);
    task<destination> find(post_request r);
    task<opened> dial(post_request r, std::string key, std::vector<ip::address> addresses);
    task<opened> dial_one(post_request r, std::string key, ip::tcp::endpoint to, steady_time connect_until);
    attempt_result led_elsewhere(post_request const& r, ip::tcp::endpoint const& to, ip::tcp::endpoint const& peer);
    connection_ptr make_connection(target const& to, std::string const& key);
    void park(std::string const& key, connection_ptr which, response_reader const& reader);

    executor ex_;
    client_context_ptr context_;
    resolver resolver_;
    std::shared_ptr<connection_pool> pool_;
    std::shared_ptr<tls_session_cache> sessions_;
    counters counters_;
    log::throttle elsewhere_log_{std::chrono::seconds(10)};
    std::shared_ptr<attendance> attendance_ = std::make_shared<attendance>();
};

task<attempt_result> net_client_impl::post(post_request request) {
    presence const here(attendance_);
    count(counters_.requests);
    auto const started = steady_clock::now();
    attempt_result out;
    bool aborted = false;
    try {
        out = co_await attempt(request);
    } catch (boost::system::system_error const& e) {
        aborted = e.code() == asio::error::operation_aborted;
        out = local_failure(e.code().message()); // no room in the reactor
    } catch (std::exception const&) {
        out = local_failure("out of memory"); // what else throws in here is a bug; this keeps it to one attempt
    }
    // What was cut off by a cancellation may look like a time-out or a reset, but tells nothing about the receiver.
    auto const state = co_await asio::this_coro::cancellation_state;
    if (aborted || state.cancelled() != asio::cancellation_type::none)
        throw boost::system::system_error(asio::error::operation_aborted);
    out.duration = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - started);
    co_return out;
}

task<std::optional<std::string>> net_client_impl::judge_target(target to, steady_time until) {
    presence const here(attendance_);
    post_request question;
    question.to = &to;
    question.deadline = until;
    destination where;
    try {
        where = co_await find(question);
    } catch (boost::system::system_error const& e) {
        if (e.code() == asio::error::operation_aborted)
            throw;
        co_return std::nullopt; // no room in the reactor: the attempts will tell
    }
    if (where.refusal.error != error_class::address_not_allowed)
        co_return std::nullopt;
    co_return std::move(where.refusal.message);
}

task<attempt_result> net_client_impl::attempt(post_request r) {
    std::string key(r.account_id);
    key += '\n';
    key += r.to->origin();

    if (auto kept = pool_->take(key)) {
        count(counters_.connections_reused);
        auto again = co_await send(std::move(kept), r, key);
        again.result.connection_reused = true;
        if (!again.died_unanswered || steady_clock::now() >= r.deadline)
            co_return std::move(again.result);
        // The peer closed it while the request was on its way. The delivery id makes a repeat harmless.
        count(counters_.reused_connection_died);
    }
    auto fresh = co_await open(r, key);
    if (!fresh.connection)
        co_return std::move(fresh.refusal);
    auto done = co_await send(std::move(fresh.connection), r, key);
    co_return std::move(done.result);
}

task<sent> net_client_impl::send(connection_ptr over, post_request r, std::string key) {
    if (r.may_send != nullptr && !(*r.may_send)()) {
        sent nothing;
        nothing.result = local_failure("the lease of the delivery ended before the request was sent");
        co_return nothing;
    }
    response_reader reader(context_->response_limits);
    auto head = request_head(r);
    auto const ec = co_await over->exchange(std::move(head), r.body, &reader, r.deadline);

    sent out;
    if (reader.has_verdict()) {
        out.result = answered(reader);
        park(key, over, reader);
    } else {
        out.died_unanswered = !reader.begun() && !over->timed_out() && !is_local_failure(ec);
        out.result = not_answered(reader, ec, over->timed_out());
    }
    out.result.remote_address = text_of(over->peer());
    co_return out;
}

void net_client_impl::park(std::string const& key, connection_ptr which, response_reader const& reader) {
    if (!which->is_open())
        return; // the exchange closes what cannot be used again
    auto idle_max = context_->config.idle_timeout;
    if (auto const announced = reader.keep_alive_timeout())
        idle_max = std::clamp<milliseconds>(*announced - std::chrono::seconds(1), milliseconds::zero(), keep_alive_max);
    which->rest();
    pool_->put(key, std::move(which), idle_max);
}

task<opened> net_client_impl::open(post_request r, std::string key) {
    auto where = co_await find(r);
    if (where.addresses.empty()) {
        opened out;
        out.refusal = std::move(where.refusal);
        co_return out;
    }
    auto out = co_await dial(r, std::move(key), std::move(where.addresses));
    co_return out;
}

task<destination> net_client_impl::find(post_request r) {
    destination out;
    if (r.to->host_is_address) {
        error_code ec;
        auto const literal = ip::make_address(r.to->host, ec);
        if (!ec)
            out.addresses.push_back(literal);
    } else {
        auto const until = std::min(r.deadline, steady_clock::now() + context_->config.dns_timeout);
        auto answer = co_await resolver_.resolve(r.to->host, until);
        if (answer.status != resolve_status::found) {
            out.refusal = not_resolved(answer, r.to->host);
            co_return out;
        }
        out.addresses = std::move(answer.addresses);
    }
    // One bad address condemns the name: whoever controls it could have the next lookup give only that one.
    auto const& guard = context_->guard;
    bool const to_others =
        std::ranges::all_of(out.addresses, [&](auto const& a) { return guard.allows(a, r.to->port); });
    if (out.addresses.empty() || !to_others) {
        bool const allowed = !out.addresses.empty() &&
                             std::ranges::all_of(out.addresses, [&](auto const& a) { return guard.allows(a); });
        out.addresses.clear();
        out.refusal = allowed ? endpoint_not_allowed() : address_not_allowed();
    }
    co_return out;
}

task<opened> net_client_impl::dial(post_request r, std::string key, std::vector<ip::address> addresses) {
    auto const order = dial_order(addresses);
    opened out;
    for (std::size_t i = 0; i < order.size(); ++i) {
        auto const now = steady_clock::now();
        if (i > 0 && now >= r.deadline)
            break;
        // What is left is shared evenly by the addresses that are left.
        auto const share = (r.deadline - now) / static_cast<long>(order.size() - i);
        auto const until = now + std::min<steady_clock::duration>(share, context_->config.connect_timeout);
        out = co_await dial_one(r, key, ip::tcp::endpoint(order[i], r.to->port), until);
        // Once connected, it is the server that is at fault, at whatever address; and what led elsewhere once may do so
        // again.
        bool const settled =
            out.refusal.error == error_class::local_failure || out.refusal.error == error_class::address_not_allowed;
        if (out.connection || !out.refusal.remote_address.empty() || settled)
            break;
    }
    co_return out;
}

task<opened> net_client_impl::dial_one(post_request r, std::string key, ip::tcp::endpoint to,
                                       steady_time connect_until) {
    opened out;
    if (steady_clock::now() >= connect_until) {
        out.refusal = not_connected({}, true, to);
        co_return out;
    }
    auto fresh = make_connection(*r.to, key);
    auto refused = co_await fresh->connect(to, connect_until);
    if (no_descriptor(refused) && pool_->close_oldest()) {
        fresh = make_connection(*r.to, key);
        refused = co_await fresh->connect(to, connect_until);
    }
    if (refused || fresh->timed_out()) {
        out.refusal = not_connected(refused, fresh->timed_out(), to);
        co_return out;
    }
    count(counters_.connections_opened);
    if (fresh->peer() != to) {
        fresh->close();
        out.refusal = led_elsewhere(r, to, fresh->peer());
        co_return out;
    }
    auto const shaken = co_await fresh->handshake(r.deadline);
    if (shaken.error || fresh->timed_out()) {
        out.refusal = no_handshake(shaken.error, fresh->timed_out(), shaken.reason);
        out.refusal.remote_address = text_of(to);
        co_return out;
    }
    if (shaken.resumed)
        count(counters_.tls_sessions_resumed);
    out.connection = std::move(fresh);
    co_return out;
}

/// The kernel took the connection to a peer that nobody judged (0.0.0.0 is this machine). The customer is told what
/// everybody is told whose address is refused; the operator, where it led.
attempt_result net_client_impl::led_elsewhere(post_request const& r, ip::tcp::endpoint const& to,
                                              ip::tcp::endpoint const& peer) {
    if (auto const say = elsewhere_log_.allow(); say.write)
        log::warn("a connection led to another address than the one that was judged; it was closed",
                  {{"account_id", r.account_id},
                   {"destination.address", text_of(to)},
                   {"destination.ip", peer.address().to_string()},
                   {"repeats", say.held_back}});
    return address_not_allowed();
}

connection_ptr net_client_impl::make_connection(target const& to, std::string const& key) {
    if (!to.tls)
        return make_plain_connection(ex_);
    return make_tls_connection(ex_, context_->tls, sessions_, {to.host, to.host_is_address, key});
}

task<void> net_client_impl::stop() {
    while (attendance_->under_way > 0) {
        one_shot<bool> idle;
        auto const set = idle.set();
        attendance_->waiting.push_back([set] { set(true); });
        co_await idle.wait();
    }
    pool_->stop();
    resolver_.stop();
}

client_stats net_client_impl::stats() const {
    client_stats out;
    out.requests = counters_.requests.load(std::memory_order_relaxed);
    out.connections_opened = counters_.connections_opened.load(std::memory_order_relaxed);
    out.connections_reused = counters_.connections_reused.load(std::memory_order_relaxed);
    out.reused_connection_died = counters_.reused_connection_died.load(std::memory_order_relaxed);
    out.tls_sessions_resumed = counters_.tls_sessions_resumed.load(std::memory_order_relaxed);
    out.idle_connections = pool_->size();
    return out;
}

} // namespace

std::string framing_lines(target const& to, std::size_t body_bytes) {
    return "Host: " + to.host_header + "\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n";
}

std::unique_ptr<net_client> make_net_client(executor ex, client_context_ptr context) {
    return std::make_unique<net_client_impl>(std::move(ex), std::move(context));
}

} // namespace klen::webhooks::egress
