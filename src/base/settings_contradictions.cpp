#include "base/settings_checks.hpp"

namespace klen::webhooks::settings {

namespace {

/// What an event weighs in the queue beside its body, rounded up.
constexpr std::uint64_t event_overhead = 1024;
/// Of a webhook, besides its headers and metadata.
constexpr std::uint64_t webhook_overhead = 16384;

std::string ms(milliseconds t) { return std::to_string(t.count()); }

/// Do the two sockets get in each other's way when they have the same port?
bool share_address(std::string const& a, std::string const& b) {
    auto const any = [](std::string const& x) { return x == "0.0.0.0" || x == "::"; };
    return a == b || any(a) || any(b);
}

class checker {
  public:
    explicit checker(config const& c) : c_(c) {}

    std::vector<contradiction> all() {
        listeners();
        tls();
        sizes();
        times();
        secrets();
        return std::move(found_);
    }

  private:
    void listeners() {
        server_config const& s = c_.server;
        if (!s.operations_address.empty() && s.operations_port != 0 && s.operations_port == s.listen_port &&
            share_address(s.operations_address, s.listen_address))
            add("server.operations_port", "server.listen_port",
                "must differ from server.listen_port (" + std::to_string(s.listen_port) +
                    "): both listeners are on the same address");
    }

    void tls() {
        server_config const& s = c_.server;
        if (s.tls_certificate_file.empty() && !s.tls_key_file.empty())
            add("server.tls_certificate_file", "server.tls_key_file",
                "is needed when server.tls_key_file is set: TLS needs both");
        if (!s.tls_certificate_file.empty() && s.tls_key_file.empty())
            add("server.tls_key_file", "server.tls_certificate_file",
                "is needed when server.tls_certificate_file is set: TLS needs both");
    }

    void sizes() {
        // A smaller limit further on would be an event that is accepted by one part and can never pass the next.
        std::uint64_t const payload = c_.intake.payload_bytes_max;
        at_least_payload("server.body_bytes_max", c_.server.body_bytes_max, payload);
        at_least_payload("intake.queue_bytes_max", c_.intake.queue_bytes_max, payload + event_overhead);
        if (c_.server.bodies_bytes_max < c_.server.body_bytes_max)
            add("server.bodies_bytes_max", "server.body_bytes_max",
                "must be at least server.body_bytes_max (" + std::to_string(c_.server.body_bytes_max) + "), not " +
                    std::to_string(c_.server.bodies_bytes_max));
        std::uint64_t const webhook = std::uint64_t{c_.webhooks.headers_bytes_max} + c_.webhooks.metadata_bytes_max;
        if (c_.server.management_body_bytes_max < webhook + webhook_overhead)
            add("server.management_body_bytes_max", "webhooks.metadata_bytes_max",
                "must be at least webhooks.headers_bytes_max and webhooks.metadata_bytes_max (" +
                    std::to_string(webhook) + ") and " + std::to_string(webhook_overhead) + " more, not " +
                    std::to_string(c_.server.management_body_bytes_max));
        at_least_payload("dispatch.bytes_in_memory_max", c_.dispatch.bytes_in_memory_max, payload);
    }

    void at_least_payload(std::string key, std::uint64_t limit, std::uint64_t needed) {
        if (limit < needed)
            add(std::move(key), "intake.payload_bytes_max",
                "must be at least intake.payload_bytes_max (" + std::to_string(c_.intake.payload_bytes_max) + ")" +
                    (needed == c_.intake.payload_bytes_max ? "" : " and " + std::to_string(event_overhead) + " more") +
                    ", not " + std::to_string(limit));
    }

    void times() {
        dispatch_config const& d = c_.dispatch;
        if (d.heartbeat_interval * 3 > d.lease_timeout)
            add("dispatch.heartbeat_interval_ms", "dispatch.lease_timeout_ms",
                "must be a third of dispatch.lease_timeout_ms (" + ms(d.lease_timeout) + ") at most, not " +
                    ms(d.heartbeat_interval) + ": a late heartbeat or two must not cost the leases");
        if (d.shutdown_timeout <= c_.delivery.attempt_timeout)
            add("dispatch.shutdown_timeout_ms", "delivery.attempt_timeout_ms",
                "must be more than delivery.attempt_timeout_ms (" + ms(c_.delivery.attempt_timeout) + "), not " +
                    ms(d.shutdown_timeout) + ": stopping lets requests under way end");
    }

    void secrets() {
        for (auto const& key : c_.secrets.previous_master_keys)
            if (key.substr(0, key.find(':')) == c_.secrets.master_key_id)
                add("secrets.previous_master_keys", "secrets.master_key_id",
                    "has a key with the id of secrets.master_key (" + c_.secrets.master_key_id +
                        "): give the new key another secrets.master_key_id");
        if (!c_.database.url.empty() && c_.secrets.master_key.empty())
            add("secrets.master_key", "database.url",
                "is needed when database.url is set; make one with `openssl rand -base64 32`");
    }

    void add(std::string key, std::string other, std::string message) {
        found_.push_back({std::move(key), std::move(other), std::move(message)});
    }

    config const& c_;
    std::vector<contradiction> found_;
};

} // namespace

std::vector<contradiction> contradictions(config const& c) { return checker(c).all(); }

} // namespace klen::webhooks::settings
