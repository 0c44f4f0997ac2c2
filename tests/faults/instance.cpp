#include "faults/instance.hpp"

#include <csignal>
#include <stdexcept>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

instance::instance(std::string name, std::string folder, settings with)
    : name_(std::move(name)), folder_(std::move(folder)), log_file_(folder_ + "/" + name_ + ".log"),
      settings_(std::move(with)) {
    settings_.emplace("KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "0");
    settings_.emplace("KLEN_WEBHOOKS_LOG_FORMAT", "json");
    settings_.emplace("KLEN_WEBHOOKS_LOG_FILE", log_file_);
    settings_.emplace("KLEN_WEBHOOKS_LOG_ATTEMPTS", "false");
    settings_.emplace("KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP", "true");
    settings_.emplace("KLEN_WEBHOOKS_EGRESS_ALLOWED_RANGES", "127.0.0.0/8");
}

void instance::launch() {
    ++starts_;
    log_before_ = log().size();
    auto with = settings_;
    with["KLEN_WEBHOOKS_DELIVERY_USER_AGENT"] = sender();
    process_ = std::make_unique<e2e::child>(std::vector<std::string>{"serve"}, with, folder_ + "/" + name_ + ".out",
                                            folder_ + "/" + name_ + ".err");
}

void instance::wait_until_ready() {
    auto const ready = [this] {
        auto const text = log().substr(log_before_);
        auto const line = text.find(R"("message":"ready")");
        auto const end = text.find('\n', line);
        if (line == std::string::npos || end == std::string::npos)
            return !process_->running();
        constexpr std::string_view name = R"("server.port":)";
        auto const at = text.find(name, line);
        port_ = static_cast<std::uint16_t>(std::stoi(text.substr(at + name.size(), 6)));
        return true;
    };
    if (!e2e::eventually(ready, 60s) || !process_->running())
        throw std::runtime_error("instance " + name_ + " did not start: " + log().substr(log_before_) +
                                 process_->errors());
    open = true;
}

wall_us instance::kill() {
    open = false;
    process_->signal(SIGKILL);
    process_->wait(10s);
    return now_us();
}

wall_us instance::freeze() const {
    process_->signal(SIGSTOP);
    auto const stopped = [this] {
        auto const stat = e2e::file_text("/proc/" + std::to_string(pid()) + "/stat");
        return stat.find(") T ") != std::string::npos;
    };
    if (!e2e::eventually(stopped, 10s))
        throw std::runtime_error("instance " + name_ + " does not stop");
    return now_us();
}

instance::exit instance::terminate(std::chrono::milliseconds bound) {
    open = false;
    auto const begun = std::chrono::steady_clock::now();
    process_->signal(SIGTERM);
    exit out;
    out.code = process_->wait(bound).value_or(-1);
    out.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    return out;
}

std::string instance::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::int64_t instance::resident_kb() const {
    auto const status = e2e::file_text("/proc/" + std::to_string(pid()) + "/status");
    auto const at = status.find("VmRSS:");
    return at == std::string::npos ? 0 : std::stoll(status.substr(at + 6));
}

} // namespace klen::webhooks::faults
