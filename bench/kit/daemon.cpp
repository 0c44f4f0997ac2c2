#include "kit/daemon.hpp"

#include "kit/database.hpp"
#include "kit/files.hpp"
#include "kit/socket.hpp"

#include <filesystem>
#include <stdexcept>
#include <thread>

namespace klen::bench {

namespace {

std::string first_line(std::string const& file) {
    auto text = read_file(file);
    return text.substr(0, text.find_first_of("\r\n"));
}

} // namespace

daemon_under_test::daemon_under_test(std::string const& binary, std::string dir,
                                     std::map<std::string, std::string> const& settings)
    : dir_(std::move(dir)), port_(free_port()) {
    auto const home = dir_ + "/private";
    if (std::filesystem::create_directories(home))
        prepare_private_dir(home);
    std::map<std::string, std::string> environment{{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", std::to_string(port_)},
                                                   {"KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", home},
                                                   {"KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP", "true"},
                                                   {"KLEN_WEBHOOKS_EGRESS_ALLOWED_RANGES", "127.0.0.0/8"},
                                                   {"KLEN_WEBHOOKS_LOG_FILE", dir_ + "/daemon.log"}};
    for (auto const& [name, value] : settings)
        environment[name] = value;
    process_ = std::make_unique<process>(std::vector<std::string>{binary, "serve"}, environment, dir_ + "/daemon.out");
    wait_until_ready();
    key_ = first_line(home + "/platform-key");
}

void daemon_under_test::wait_until_ready() {
    for (int i = 0; i < 2400; ++i) {
        if (!process_->running())
            throw std::runtime_error("the daemon ended at its start: see " + dir_ + "/daemon.log and daemon.out");
        try {
            call(port_, "GET", "/readyz", "", "", 200);
            return;
        } catch (std::exception const&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
        }
    }
    throw std::runtime_error("the daemon is not ready after a minute: see " + dir_ + "/daemon.log");
}

std::string daemon_under_test::database_url() const { return first_line(dir_ + "/private/database-url"); }

double daemon_under_test::metric(std::string const& name) const {
    auto const text = call(port_, "GET", "/metrics", "", "", 200);
    auto const at = text.find("\nklen_webhooks_" + name + " ");
    if (at == std::string::npos)
        throw std::runtime_error("/metrics does not tell " + name);
    return std::stod(text.substr(text.find(' ', at + 1)));
}

void daemon_under_test::stop() {
    if (int const code = process_->stop(std::chrono::seconds(30)); code != 0)
        throw std::runtime_error("the daemon ended with " + std::to_string(code) + ": see " + dir_ + "/daemon.log");
}

} // namespace klen::bench
