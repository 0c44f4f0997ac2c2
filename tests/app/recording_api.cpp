#include "app/recording_api.hpp"

#include <boost/asio/connect.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <cctype>
#include <utility>

namespace klen::webhooks::app {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

recording_api::recording_api()
    : acceptor_(context_, {asio::ip::make_address("127.0.0.1"), 0}), thread_([this] { serve(); }) {}

recording_api::~recording_api() {
    {
        std::lock_guard const lock(mutex_);
        stopping_ = true;
    }
    // A connection ends the accept that the thread waits in.
    boost::system::error_code ignored;
    tcp::socket wake(context_);
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
}

std::string recording_api::url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
}

void recording_api::will_answer(std::vector<answer> answers) {
    std::lock_guard const lock(mutex_);
    answers_.assign(answers.begin(), answers.end());
}

std::vector<recording_api::asked> recording_api::take() {
    std::lock_guard const lock(mutex_);
    return std::exchange(asked_, {});
}

recording_api::answer recording_api::answer_to(asked what) {
    std::lock_guard const lock(mutex_);
    asked_.push_back(std::move(what));
    if (answers_.empty())
        return {};
    auto out = std::move(answers_.front());
    answers_.pop_front();
    return out;
}

void recording_api::serve() {
    for (;;) {
        boost::system::error_code error;
        tcp::socket link(context_);
        acceptor_.accept(link, error);
        {
            std::lock_guard const lock(mutex_);
            if (stopping_)
                return;
        }
        boost::beast::flat_buffer buffer;
        http::request<http::string_body> request;
        http::read(link, buffer, request, error);
        if (error)
            continue;
        asked what{std::string(request.method_string()), std::string(request.target()), request.body(), {}};
        for (auto const& field : request) {
            std::string name(field.name_string());
            std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
            what.headers[name] = std::string(field.value());
        }
        auto const given = answer_to(std::move(what));
        http::response<http::string_body> response(static_cast<http::status>(given.status), 11);
        for (auto const& [name, value] : given.headers)
            response.set(name, value);
        response.body() = given.body;
        response.prepare_payload();
        http::write(link, response, error);
        link.shutdown(tcp::socket::shutdown_both, error);
    }
}

} // namespace klen::webhooks::app
