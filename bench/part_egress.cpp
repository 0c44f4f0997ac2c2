#include "parts.hpp"

#include "kit/cpu.hpp"
#include "kit/nginx.hpp"
#include "kit/times.hpp"

#include "app/blocking.hpp"
#include "app/io_threads.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/egress/http_client.hpp"

#include <atomic>
#include <optional>
#include <stdexcept>

namespace klen::bench {

namespace kw = klen::webhooks;
namespace egress = kw::egress;

namespace {

/// Header lines as long as those of a delivery.
constexpr std::string_view header_lines =
    "Content-Type: application/json\r\nUser-Agent: klen-webhooks/bench\r\n"
    "X-Klen-Signature: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
    "X-Klen-Delivery-ID: 01234567-89ab-7def-8123-456789abcdef\r\nX-Klen-Event: call.ended\r\n"
    "X-Klen-Timestamp: 1700000000\r\nX-Klen-Attempt: 1\r\nwebhook-id: 01234567-89ab-7def-8123-456789abcdef\r\n"
    "webhook-timestamp: 1700000000\r\nwebhook-signature: v1,MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\r\n";

egress::client_context_ptr make_context(std::string const& ca_file) {
    auto settings = kw::default_config();
    settings.egress.allow_http = true;
    settings.egress.allowed_ranges = {"127.0.0.0/8"};
    settings.egress.ca_file = ca_file;
    auto made = egress::make_client_context(settings.egress, settings.delivery);
    if (!made)
        throw std::runtime_error(made.error().message);
    return *made;
}

std::vector<egress::target> targets_of(egress_part const& what, std::uint16_t port,
                                       egress::client_context const& context) {
    std::vector<egress::target> out;
    for (std::size_t i = 0; i < what.hosts; ++i) {
        auto const url = (what.tls ? "https://" : "http://") + receiver_address(i) + ":" + std::to_string(port) + "/0";
        auto made = egress::parse_target(url, egress::url_policy_of(context));
        if (!made)
            throw std::runtime_error(made.error().message);
        out.push_back(std::move(*made));
    }
    return out;
}

/// One io thread's share: so many coroutines that post again and again.
struct poster {
    kw::executor ex;
    std::unique_ptr<egress::net_client> client;
    std::vector<egress::target> const* targets;
    std::string body;
    kw::task_group group;
    std::atomic<bool> ends{false};
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> failed{0};

    poster(kw::executor on, egress::client_context_ptr const& context, std::vector<egress::target> const& to,
           std::size_t body_bytes)
        : ex(on), client(egress::make_net_client(on, context)), targets(&to), body(body_bytes, 'x'),
          group(on, "posters") {}

    /// Always the same receiver: the connection is kept, and what connecting costs is not measured.
    kw::task<void> post_again_and_again(egress::target const* to) {
        while (!ends) {
            egress::post_request request;
            request.to = to;
            request.account_id = "bench";
            request.headers = header_lines;
            request.body = body;
            request.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
            auto const result = co_await client->post(request);
            (result.succeeded() ? done : failed).fetch_add(1, std::memory_order_relaxed);
        }
    }

    void start(std::size_t at_once) {
        kw::asio::post(ex, [this, at_once] {
            for (std::size_t i = 0; i < at_once; ++i)
                group.spawn([this, to = &(*targets)[i % targets->size()]] { return post_again_and_again(to); });
        });
    }
    void stop() {
        ends = true;
        kw::app::wait_for<void>(ex, [this] { return group.wait_empty(); });
        kw::app::wait_for<void>(ex, [this] { return client->stop(); });
    }
};

} // namespace

part_cost measure_egress(egress_part const& what, scratch_dir const& in) {
    auto const dir = in.make("egress");
    std::optional<certificates> tls;
    if (what.tls)
        tls = make_certificates(dir, what.hosts);
    nginx_receiver const receiver({.dir = dir, .tls = tls ? &*tls : nullptr});
    auto const context = make_context(tls ? tls->authorities : "");
    auto const targets = targets_of(what, receiver.port(), *context);

    kw::app::io_threads threads("io", std::max(1U, std::thread::hardware_concurrency()));
    std::vector<std::unique_ptr<poster>> posters;
    for (std::size_t i = 0; i < threads.size(); ++i)
        posters.push_back(std::make_unique<poster>(threads.at(i), context, targets, what.body_bytes));
    threads.start();
    for (auto& one : posters)
        one->start(what.at_once / threads.size());
    auto const done = [&] {
        std::uint64_t sum = 0;
        for (auto const& one : posters)
            sum += one->done;
        return sum;
    };
    std::this_thread::sleep_for(std::chrono::milliseconds(500)); // connections are made
    auto const began = now_ns();
    auto const before = done();
    auto const own = cpu_of_this_process();
    auto const nginx = receiver.cpu_seconds();
    std::this_thread::sleep_for(std::chrono::duration<double>(what.seconds));
    auto const requests = static_cast<double>(done() - before);
    part_cost out;
    out.per_second = requests / seconds_since(began);
    out.daemon_us = (cpu_of_this_process() - own) / requests * 1e6;
    out.receiver_us = (receiver.cpu_seconds() - nginx) / requests * 1e6;
    for (auto& one : posters) {
        one->stop();
        if (one->failed != 0)
            throw std::runtime_error("the egress client met failures");
    }
    return out;
}

} // namespace klen::bench
