// Runs the table of receivers that lie, flood, cut, reset, hang and cannot do TLS. All of a group at the same time,
// each with the verdict, the time, the bytes and the descriptors that are allowed.
#include "egress/hostile_receivers.hpp"

#include "egress/client_fixture.hpp"
#include "support/socket_audit.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

namespace klen::webhooks::egress {
namespace {

using transport = behaviour::transport;

constexpr std::chrono::milliseconds after_deadline = deadline * 2 / 7;

std::size_t open_descriptors() {
    auto const all = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1; // the iterator's own
}

/// How much later than asked for anything happens here, the machine being busy: no verdict on the client.
class late {
  public:
    explicit late(asio::io_context& where) : state_(std::make_shared<state>(where)) { again(state_); }
    ~late() { state_->timer.reset(); }
    late(late const&) = delete;
    late& operator=(late const&) = delete;
    std::chrono::milliseconds by() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(state_->worst);
    }

  private:
    struct state {
        explicit state(asio::io_context& where) : timer(std::in_place, where) {}
        std::optional<asio::steady_timer> timer;
        std::chrono::steady_clock::duration worst{};
    };
    static void again(std::shared_ptr<state> const& s) {
        s->timer->expires_after(10ms);
        // The last call may come, and with success, when nobody measures any longer.
        s->timer->async_wait([s](boost::system::error_code const& ec) {
            if (ec || !s->timer)
                return;
            s->worst = std::max(s->worst, std::chrono::steady_clock::now() - s->timer->expiry());
            again(s);
        });
    }
    std::shared_ptr<state> state_;
};

class hostile_receiver : public client_test {
  protected:
    hostile_receiver() {
        config.ca_file = ca.file();
        config.idle_connections_max = 1000;
    }

    void run_group(std::string_view about, transport over);

    test_ca ca;

  private:
    struct running {
        behaviour const* what;
        std::unique_ptr<scripted_receiver> receiver;
        std::string url;
    };
    running start(behaviour const& b, transport over) const;
    void check(running const& r, attempt_result const& result, std::chrono::milliseconds lateness) const;
};

hostile_receiver::running hostile_receiver::start(behaviour const& b, transport over) const {
    scripted_receiver::options options;
    if (over == transport::tls && !b.no_handshake) {
        if (b.tls)
            options = b.tls(ca);
        else
            options.identity = ca.issue();
    }
    auto scripts = b.connections;
    if (b.kept_alive) {
        script first;
        first.answer(200);
        for (auto const& s : scripts.front().steps())
            first.then(s);
        scripts.front() = first;
    }
    running out{&b, std::make_unique<scripted_receiver>(std::move(scripts), std::move(options)), {}};
    out.url = out.receiver->url("/hook", b.host);
    if (b.no_handshake)
        out.url.insert(4, "s");
    return out;
}

void hostile_receiver::check(running const& r, attempt_result const& result, std::chrono::milliseconds lateness) const {
    SCOPED_TRACE(r.what->name + ": " + result.message);
    EXPECT_EQ(result.error, r.what->error);
    EXPECT_EQ(result.status, r.what->status);
    EXPECT_EQ(result.message.empty(), result.succeeded());
    EXPECT_NE(result.message.find(r.what->says), std::string::npos);
    EXPECT_LE(result.response_body.size(), delivery.response_body_bytes_max);
    EXPECT_LE(result.response_headers.size(), delivery.response_header_bytes_max);
    // From its own start, which is a little after the deadline was set.
    EXPECT_GE(result.duration, r.what->at_deadline ? deadline - deadline / 7 : 0ms);
    EXPECT_LE(result.duration, r.what->at_deadline ? deadline + after_deadline + lateness : deadline + lateness)
        << "late by " << lateness.count() << " ms itself";
    EXPECT_EQ(r.receiver->connections(), r.what->connections_made);
}

void hostile_receiver::run_group(std::string_view about, transport over) {
    auto const group = std::find_if(hostile_receivers().begin(), hostile_receivers().end(),
                                    [&](behaviours const& b) { return b.about == about; });
    ASSERT_NE(group, hostile_receivers().end());
    client();
    {
        // What is opened once and kept: OpenSSL's and the resolver's.
        scripted_receiver warm_up(script().answer(200, "", "Connection: close\r\n"), {.identity = ca.issue()});
        EXPECT_TRUE(post(warm_up.url()).succeeded());
    }
    auto const before = open_descriptors();
    {
        testing::socket_audit audit;
        std::vector<running> all;
        for (auto const& b : group->rows)
            if (b.over == transport::both || b.over == over)
                all.push_back(start(b, over));
        std::vector<std::string> kept_alive;
        for (auto const& r : all)
            if (r.what->kept_alive)
                kept_alive.push_back(r.url);
        if (!kept_alive.empty()) {
            for (auto const& result : post_all(kept_alive))
                EXPECT_EQ(result.status, 200) << result.message;
            run_for(60ms);
        }

        // Those with large bodies on their own: what they write takes time that is not the receivers'.
        std::vector<attempt_result> results(all.size());
        std::set<std::size_t> sizes;
        for (auto const& r : all)
            sizes.insert(r.what->body_bytes);
        late lateness(io);
        for (auto const size : sizes) {
            std::vector<std::string> urls;
            for (auto const& r : all)
                if (r.what->body_bytes == size)
                    urls.push_back(r.url);
            auto some = post_all(urls, {.within = deadline, .body = std::string(size, 'x')});
            std::size_t next = 0;
            for (std::size_t i = 0; i < all.size(); ++i)
                if (all[i].what->body_bytes == size)
                    results[i] = std::move(some[next++]);
        }
        run_for(1ms);
        for (std::size_t i = 0; i < all.size(); ++i) {
            check(all[i], results[i], lateness.by());
            EXPECT_LE(audit.bytes_read_from(all[i].receiver->port()), all[i].what->bytes_max) << all[i].what->name;
        }
        RecordProperty("behaviours", static_cast<int>(all.size()));
        stop();
        EXPECT_EQ(client().stats().idle_connections, 0U);
        for (auto const& r : all)
            EXPECT_TRUE(r.receiver->wait_until_closed()) << r.what->name << ": a connection was left open";
    }
    EXPECT_EQ(open_descriptors(), before) << "descriptors are left";
}

TEST_F(hostile_receiver, status_lines) { run_group("status lines", transport::plain); }
TEST_F(hostile_receiver, status_lines_over_tls) { run_group("status lines", transport::tls); }
TEST_F(hostile_receiver, statuses) { run_group("statuses", transport::plain); }
TEST_F(hostile_receiver, framing) { run_group("framing", transport::plain); }
TEST_F(hostile_receiver, framing_over_tls) { run_group("framing", transport::tls); }
TEST_F(hostile_receiver, bodies) { run_group("bodies", transport::plain); }
TEST_F(hostile_receiver, bodies_over_tls) { run_group("bodies", transport::tls); }
TEST_F(hostile_receiver, interim_responses) { run_group("interim responses", transport::plain); }
TEST_F(hostile_receiver, interim_responses_over_tls) { run_group("interim responses", transport::tls); }
TEST_F(hostile_receiver, waiting) { run_group("waiting", transport::plain); }
TEST_F(hostile_receiver, waiting_over_tls) { run_group("waiting", transport::tls); }
TEST_F(hostile_receiver, cuts) { run_group("cuts", transport::plain); }
TEST_F(hostile_receiver, cuts_over_tls) { run_group("cuts", transport::tls); }
TEST_F(hostile_receiver, early_answers) { run_group("early answers", transport::plain); }
TEST_F(hostile_receiver, early_answers_over_tls) { run_group("early answers", transport::tls); }
TEST_F(hostile_receiver, kept_connections) { run_group("kept connections", transport::plain); }
TEST_F(hostile_receiver, kept_connections_over_tls) { run_group("kept connections", transport::tls); }
TEST_F(hostile_receiver, tls_faults) { run_group("tls", transport::tls); }

TEST(hostile_receivers, are_many_and_each_has_a_name_of_its_own) {
    std::set<std::string> names;
    std::size_t rows = 0;
    for (auto const& group : hostile_receivers())
        for (auto const& b : group.rows) {
            EXPECT_TRUE(names.insert(std::string(group.about) + ": " + b.name).second) << b.name;
            ++rows;
        }
    EXPECT_GE(rows, 120U);
    RecordProperty("behaviours", static_cast<int>(rows));
}

} // namespace
} // namespace klen::webhooks::egress
