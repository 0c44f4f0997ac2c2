#include "kit/nginx.hpp"

#include "kit/cpu.hpp"
#include "kit/files.hpp"
#include "kit/socket.hpp"

#include <algorithm>
#include <stdexcept>

namespace klen::bench {

namespace {

/// Receivers that share a certificate.
constexpr std::size_t names_each = 25;

std::string configuration(nginx_receiver::options const& how, std::uint16_t port) {
    std::string const at = std::to_string(port);
    std::string out = "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 65536;\nerror_log stderr crit;\n";
    out += "pid " + how.dir + "/nginx.pid;\n";
    out += "events { worker_connections 60000; }\nhttp {\n  access_log off;\n";
    for (auto const* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
        out += "  " + std::string(kind) + "_temp_path " + how.dir + "/temp;\n";
    out += "  client_body_buffer_size 64k;\n  keepalive_requests 1000000000;\n  keepalive_timeout 3600s;\n";
    auto const answer = "    return " + std::to_string(how.status) + ";\n  }\n";
    if (how.tls == nullptr)
        return out + "  server {\n    listen 0.0.0.0:" + at + " backlog=16384;\n" + answer + "}\n";
    // One socket for all of them: the address that a connection came to tells the server.
    std::string const wildcard = "    listen 0.0.0.0:" + at + " ssl backlog=16384;\n";
    out += "  ssl_session_cache shared:bench:16m;\n";
    for (auto const& one : how.tls->each) {
        out += "  server {\n" + (&one == &how.tls->each.front() ? wildcard : std::string());
        for (auto const& address : one.addresses)
            out += "    listen " + address + ":" + at + " ssl;\n";
        out += "    ssl_certificate " + one.file + ";\n    ssl_certificate_key " + one.key_file + ";\n" + answer;
    }
    return out + "}\n";
}

} // namespace

std::string receiver_address(std::size_t n) {
    return "127." + std::to_string(n / 62'500) + "." + std::to_string(n / 250 % 250 + 1) + "." +
           std::to_string(n % 250 + 1);
}

certificates make_certificates(std::string const& dir, std::size_t hosts) {
    certificates out;
    out.authorities = dir + "/authorities.pem";
    std::string all;
    for (std::size_t first = 0; first < hosts; first += names_each) {
        auto const base = dir + "/receivers-" + std::to_string(first);
        certificate one{base + ".pem", base + ".key", {}};
        std::string names = "subjectAltName=IP:127.0.0.1";
        for (std::size_t i = first; i < std::min(hosts, first + names_each); ++i) {
            one.addresses.push_back(receiver_address(i));
            names += ",IP:" + one.addresses.back();
        }
        run_command({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-days", "2", "-subj", "/CN=bench " + std::to_string(first), "-addext", names, "-keyout",
                     one.key_file, "-out", one.file},
                    base + ".out");
        all += read_file(one.file);
        out.each.push_back(std::move(one));
    }
    write_file(out.authorities, all);
    return out;
}

nginx_receiver::nginx_receiver(options const& how) : port_(free_port()) {
    auto const file = how.dir + "/nginx.conf";
    write_file(file, configuration(how, port_));
    process_ = std::make_unique<process>(std::vector<std::string>{"/usr/sbin/nginx", "-p", how.dir, "-c", file},
                                         std::map<std::string, std::string>{}, how.dir + "/nginx.out");
    if (!listens_soon(port_))
        throw std::runtime_error("nginx does not start: see " + how.dir + "/nginx.out (Debian's package nginx-light)");
}

double nginx_receiver::cpu_seconds() const { return cpu_of_family(process_->pid()).own; }

} // namespace klen::bench
