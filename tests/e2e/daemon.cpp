#include "e2e/daemon.hpp"

#include "api/openapi_document.hpp"
#include "app/api_client.hpp"
#include "node/run_node.hpp"
#include "store/session.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <csignal>
#include <regex>
#include <stdexcept>

namespace klen::webhooks::e2e {

namespace json = boost::json;

namespace {

/// The last line may be half-written: only whole ones count.
std::vector<json::object> whole_lines(std::string const& text) {
    std::vector<json::object> out;
    auto const end = text.rfind('\n');
    if (end == std::string::npos)
        return out;
    for (auto const& line : lines_of(text.substr(0, end)))
        out.push_back(json::parse(line).as_object());
    return out;
}

} // namespace

std::uint16_t free_port() {
    boost::asio::io_context context;
    boost::asio::ip::tcp::acceptor acceptor(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
    return acceptor.local_endpoint().port();
}

std::string url_of(test::test_database const& database, std::string const& password) {
    // Its keyword string is host='…' port=… user=… dbname=….
    std::smatch part;
    std::regex const form(R"(host='([^']*)' port=(\d+) user=(\w+) dbname=(\w+))");
    if (!std::regex_search(database.url(), part, form))
        throw std::runtime_error("the test database's address has changed its form: " + database.url());
    return "postgresql://" + part[3].str() + (password.empty() ? "" : ":" + password) + "@/" + part[4].str() +
           "?host=" + part[1].str() + "&port=" + part[2].str();
}

daemon::daemon(settings with) : environment_(std::move(with)) {
    environment_.emplace("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", private_dir());
    environment_.emplace("KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "0");
    environment_.emplace("KLEN_WEBHOOKS_LOG_FORMAT", "json");
    environment_.emplace("KLEN_WEBHOOKS_LOG_FILE", folder_ / "daemon.log");
    environment_.emplace("KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP", "true");
    environment_.emplace("KLEN_WEBHOOKS_EGRESS_ALLOWED_RANGES", "127.0.0.0/8");
}

daemon::~daemon() {
    if (answers_.empty())
        return;
    testing_node::handed_file const told(api::openapi_document() + "\n" + answers_);
    auto const judged = testing_node::run_node("openapi_answers.mjs", told);
    EXPECT_EQ(judged.exit_code, 0) << judged.hint();
}

child& daemon::launch() {
    process_ =
        std::make_unique<child>(std::vector<std::string>{"serve"}, environment_, folder_ / "out", folder_ / "err");
    return *process_;
}

void daemon::start() {
    auto const before = log().size();
    launch();
    auto const ready = [this, before] {
        if (!process_->running())
            return true;
        // In either format; the port is not the last thing on its line, so it is whole.
        static std::regex const form(R"(\bready\b.*\bserver\.port"?[:=](\d+)[^\d])");
        for (auto const& line : lines_of(log().substr(before))) {
            std::smatch found;
            if (!std::regex_search(line, found, form))
                continue;
            port_ = static_cast<std::uint16_t>(std::stoi(found[1].str()));
            return true;
        }
        return false;
    };
    if (!eventually(ready, 60s) || !process_->running())
        throw std::runtime_error("the daemon did not start: " + log().substr(before) + process_->errors());
}

int daemon::stop(std::chrono::milliseconds bound) {
    process_->signal(SIGTERM);
    return process_->wait(bound).value_or(-1);
}

void daemon::kill() {
    process_->signal(SIGKILL);
    process_->wait(10s);
}

std::string daemon::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::string daemon::key() const {
    auto text = file_text(private_dir() + "/platform-key");
    return text.substr(0, text.find('\n'));
}

void daemon::sql(std::string const& what) const {
    store::connection_options options;
    options.url = lines_of(file_text(private_dir() + "/database-url")).at(0);
    options.connect_timeout = 10s;
    options.statement_timeout = 10s;
    store::session link(options, {.name = "e2e"});
    link.run_text(what).value();
}

std::vector<json::object> daemon::log_lines() const { return whole_lines(log()); }

daemon::answer daemon::call(std::string const& method, std::string const& path, std::string const& body,
                            std::string const& key) const {
    auto client = app::api_client::create(url(), key.empty() ? this->key() : key).value();
    auto const got = client.call(method, path, body).value();
    answers_ +=
        json::serialize(json::object{{"method", method}, {"path", path}, {"status", got.status}, {"body", got.body}}) +
        "\n";
    answer out{got.status, nullptr};
    json::error_code no_json; // /livez answers in plain text
    out.body = json::parse(got.body, no_json);
    return out;
}

daemon::made_webhook daemon::create_webhook(std::string const& url, std::string const& events) {
    auto const made = call("POST", std::string("/api/v1/webhooks?account_id=") + account,
                           R"({"name":"e2e","url":")" + url + R"(","subscribed_events":)" + events + "}");
    if (made.status != 201)
        throw std::runtime_error("no webhook: " + json::serialize(made.body));
    return {std::string(made.body.at("id").as_string()), std::string(made.body.at("secret").as_string())};
}

std::string daemon::publish(std::string const& event_type, std::string const& payload) {
    auto const made = call("POST", "/api/v1/events",
                           R"({"account_id":")" + std::string(account) + R"(","event_type":")" + event_type +
                               R"(","payload":)" + payload + "}");
    if (made.status != 202)
        throw std::runtime_error("not published: " + json::serialize(made.body));
    return std::string(made.body.at("id").as_string());
}

json::object daemon::delivery_of(std::string const& event) const {
    auto const got = call("GET", "/api/v1/events/" + event + "?account_id=" + account);
    if (got.status != 200)
        throw std::runtime_error("no event: " + json::serialize(got.body));
    auto const& deliveries = got.body.at("deliveries").as_array();
    if (deliveries.size() != 1)
        throw std::runtime_error("not one delivery: " + json::serialize(got.body));
    return deliveries.front().as_object();
}

bool daemon::reaches(std::string const& event, std::string const& status, std::chrono::milliseconds bound) const {
    return eventually([&] { return delivery_of(event).at("status").as_string() == status; }, bound);
}

receiver::receiver(std::string const& secret, std::vector<std::string> options, std::uint16_t port) {
    write_file(folder_ / "secret", secret + "\n");
    std::vector<std::string> arguments{"listen",        "--json",          "--port", std::to_string(port),
                                       "--secret-file", folder_ / "secret"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    process_ =
        std::make_unique<child>(arguments, std::map<std::string, std::string>{}, folder_ / "out", folder_ / "err");
    auto const listening = [this] {
        auto const lines = whole_lines(process_->output());
        if (!lines.empty())
            url_ = std::string(lines.front().at("listening").as_string());
        return !lines.empty() || !process_->running();
    };
    if (!eventually(listening) || url_.empty())
        throw std::runtime_error("the receiver did not start: " + process_->errors());
}

std::uint16_t receiver::port() const {
    auto const colon = url_.rfind(':');
    return static_cast<std::uint16_t>(std::stoi(url_.substr(colon + 1)));
}

std::vector<json::object> receiver::deliveries() const {
    std::vector<json::object> out;
    for (auto& line : whole_lines(process_->output()))
        if (line.contains("delivery_id"))
            out.push_back(std::move(line));
    return out;
}

bool receiver::receives(std::size_t count, std::chrono::milliseconds bound) const {
    return eventually([&] { return deliveries().size() >= count; }, bound);
}

void receiver::stop() {
    process_->signal(SIGTERM);
    process_->wait(10s);
}

} // namespace klen::webhooks::e2e
