#pragma once

#include "body_budget.hpp"
#include "client_stream.hpp"
#include "response_head.hpp"
#include "router.hpp"

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/base/log.hpp"

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace klen::webhooks::api {

class connection;

/// Of a connection that waits for a request and may have to give way.
struct waiting_hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};

/// One account's part of all bodies; a single one fits into it in any case.
inline std::uint64_t account_bodies_max(server_config const& config) {
    return std::max<std::uint64_t>(config.body_bytes_max, config.bodies_bytes_max / 100 * config.account_share_percent);
}

/// What all connections of one server share.
struct serving {
    serving(server_config c, std::vector<route> r, authenticator const& k, request_lines l)
        : config(std::move(c)), routes(std::move(r)), keys(k), lines(l),
          bodies(config.bodies_bytes_max, account_bodies_max(config)) {}

    server_config const config;
    router const routes;
    authenticator const& keys;
    request_lines const lines;
    body_budget bodies;
    std::atomic<std::uint32_t> open_connections{0};
    log::throttle unavailable_lines{seconds(1)};

    /// For the next connection; null: plain HTTP.
    tls_context_ptr tls() const;
    void set_tls(tls_context_ptr next);
    /// `reason` empty: the client went away, which is nobody's business.
    void note_failed_handshake(std::string_view reason);

  private:
    mutable std::mutex tls_mutex_;
    tls_context_ptr tls_;
    log::throttle handshake_lines_{seconds(10)};
};

/// One io thread's share of a server: its open connections, the timer that watches their deadlines, its counters. One
/// timer for all is cheaper than one each, and a deadline may be noticed a little late. On its thread, but for
/// `counted`.
class io_worker {
  public:
    io_worker(asio::io_context& context, std::shared_ptr<serving> common);

    asio::io_context& context() { return context_; }
    serving& common() { return *common_; }
    std::string_view date();

    /// A connection is listed while one of these lives.
    class listing {
      public:
        listing(io_worker& in, connection& what);
        ~listing();
        listing(listing const&) = delete;
        listing& operator=(listing const&) = delete;

      private:
        io_worker& in_;
        connection& what_;
    };

    /// Watches deadlines until `begin_stop`, and then the end of all connections. Spawn once.
    task<void> watch();

    /// Idle connections are closed, others after their answer, all of them at `until`. `ended` is called when none is
    /// left, or soon after `until`.
    void begin_stop(steady_time until, one_shot<bool>::setter ended);
    bool stopping() const { return stopping_; }
    bool aborting() const { return aborting_; }

    /// Who gives way when room is needed: `first` those that wait for a handshake, for a request's head, for a body
    /// that nobody wants; and when there are none, `last` those that wait for a call's body or for its answer to be
    /// taken.
    enum class gives_way { first, last };
    /// It waits for the client. Of its kind, those are asked first that have waited longest. Called again: it waits
    /// since now.
    void begin_wait(connection& what, gives_way when = gives_way::first);
    /// One of those that wait gives way. False: none of this kind waits.
    bool make_room(gives_way who);

    void count(int status);
    /// Answers by status. Thread-safe.
    std::map<int, std::uint64_t> counted() const;

  private:
    task<void> watch_loop();
    void check_deadlines(steady_time now);
    bool is_over(steady_time now);

    asio::io_context& context_;
    std::shared_ptr<serving> common_;
    asio::steady_timer timer_;
    milliseconds period_;
    date_line date_;
    std::vector<connection*> open_;
    using waiting_list = boost::intrusive::list<waiting_hook, boost::intrusive::constant_time_size<false>>;
    std::array<waiting_list, 2> waiting_; ///< by `gives_way`; the longest first
    std::array<std::atomic<std::uint64_t>, 600> answers_{};
    bool watching_ = false;
    bool stopping_ = false;
    bool aborting_ = false;
    steady_time until_ = steady_time::max();
    std::vector<one_shot<bool>::setter> ended_;
};

} // namespace klen::webhooks::api
