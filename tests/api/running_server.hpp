#pragma once

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/base/settings.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace klen::webhooks::testing_support {

/// Knows a few keys by their text.
class fixed_keys : public api::authenticator {
  public:
    std::map<std::string, api::caller, std::less<>> known;
    std::optional<api::caller> find(std::string_view key) const override {
        auto const found = known.find(key);
        return found == known.end() ? std::nullopt : std::optional(found->second);
    }
};

/// A server on a free port, with io threads of its own; stopped at the end.
class running_server {
  public:
    static server_config quick_limits() {
        server_config out = default_config().server;
        out.connections_max = 50;
        out.header_bytes_max = 1024;
        out.body_bytes_max = 200'000;
        out.header_timeout = milliseconds(5000);
        out.body_timeout = milliseconds(5000);
        out.idle_timeout = milliseconds(5000);
        return out;
    }

    running_server(std::vector<api::route> routes, server_config config = quick_limits(), std::size_t threads = 2,
                   request_lines lines = request_lines::all) {
        std::vector<asio::io_context*> all;
        for (std::size_t i = 0; i < threads; ++i) {
            contexts_.push_back(std::make_unique<asio::io_context>(1));
            guards_.push_back(asio::make_work_guard(*contexts_.back()));
            all.push_back(contexts_.back().get());
        }
        server_ = api::server::create(all, std::move(config), "127.0.0.1", 0, std::move(routes), keys, lines).value();
        server_->start();
        for (auto& context : contexts_)
            threads_.emplace_back([c = context.get()] { c->run(); });
    }

    ~running_server() {
        stop(milliseconds(0));
        for (auto& context : contexts_)
            context->stop();
        for (auto& thread : threads_)
            thread.join();
    }

    /// How long it took.
    milliseconds stop(milliseconds within) { return stopping(within).get(); }

    std::future<milliseconds> stopping(milliseconds within) {
        auto done = std::make_shared<std::promise<milliseconds>>();
        auto const begun = std::chrono::steady_clock::now();
        auto finished = [done, begun](std::exception_ptr) {
            done->set_value(std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun));
        };
        asio::co_spawn(*contexts_.front(), server_->stop(begun + within), finished);
        return done->get_future();
    }

    std::uint16_t port() const { return server_->port(); }
    api::server_stats stats() const { return server_->stats(); }
    void reload_tls() { server_->reload_tls(); }

    fixed_keys keys;

  private:
    std::vector<std::unique_ptr<asio::io_context>> contexts_;
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
    std::unique_ptr<api::server> server_;
    std::vector<std::thread> threads_;
};

/// GET /hello, POST /echo (answers with the body), GET /fail (throws), GET /things/{id}: nobody needs a key.
inline std::vector<api::route> sample_routes() {
    auto hello = [](api::request, api::caller) -> task<api::response> {
        co_return api::response{.status = 200, .body = "\"hello\"", .headers = {}};
    };
    auto echo = [](api::request what, api::caller) -> task<api::response> {
        co_return api::response{.status = 200, .body = std::move(what.body), .headers = {}};
    };
    auto fail = [](api::request, api::caller) -> task<api::response> {
        throw std::runtime_error("on purpose");
        co_return api::response{};
    };
    auto thing = [](api::request what, api::caller) -> task<api::response> {
        co_return api::response{.status = 200, .body = "\"" + what.parameters["id"] + "\"", .headers = {}};
    };
    std::vector<api::route> out;
    auto const add = [&](api::method verb, std::string path, auto handler) {
        out.push_back({.verb = verb, .path = std::move(path), .permission = "", .handle = handler});
    };
    add(api::method::get, "/hello", hello);
    add(api::method::post, "/echo", echo);
    add(api::method::get, "/fail", fail);
    add(api::method::get, "/things/{id}", thing);
    return out;
}

/// A POST /echo with the framing fields it needs.
inline std::string post_echo(std::string const& body, std::string const& more = "") {
    return "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

} // namespace klen::webhooks::testing_support
