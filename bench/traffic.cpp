#include "traffic.hpp"

namespace klen::bench {

std::string size_name(std::size_t bytes) { return std::to_string(bytes / 1024) + " KB"; }

std::string traffic::name() const {
    std::string out = std::to_string(webhooks) + (webhooks == 1 ? " webhook, " : " webhooks, ") + size_name(body_bytes);
    if (tls)
        out += ", TLS";
    if (batch > 1)
        out += ", batches of " + std::to_string(batch);
    if (fan_out > 1)
        out += ", fan-out " + std::to_string(fan_out);
    return out;
}

} // namespace klen::bench
