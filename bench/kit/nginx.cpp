#include "kit/nginx.hpp"

#include "kit/cpu.hpp"
#include "kit/files.hpp"
#include "kit/socket.hpp"

#include <stdexcept>

namespace klen::bench {

namespace {

std::string configuration(nginx_receiver::options const& how, std::uint16_t port) {
    std::string const at = std::to_string(port);
    std::string out = "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 65536;\nerror_log stderr crit;\n";
    out += "pid " + how.dir + "/nginx.pid;\n";
    out += "events { worker_connections 60000; }\nhttp {\n  access_log off;\n";
    for (auto const* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
        out += "  " + std::string(kind) + "_temp_path " + how.dir + "/temp;\n";
    out += "  client_body_buffer_size 64k;\n  keepalive_requests 1000000000;\n  keepalive_timeout 3600s;\n";
    out += "  server {\n    listen 0.0.0.0:" + at + (how.tls != nullptr ? " ssl" : "") + " backlog=16384;\n";
    if (how.tls != nullptr)
        out += "    ssl_certificate " + how.tls->file + ";\n    ssl_certificate_key " + how.tls->key_file +
               ";\n    ssl_session_cache shared:bench:16m;\n";
    out += "    return " + std::to_string(how.status) + ";\n  }\n}\n";
    return out;
}

} // namespace

std::string receiver_address(std::size_t n) {
    return "127." + std::to_string(n / 62'500) + "." + std::to_string(n / 250 % 250 + 1) + "." +
           std::to_string(n % 250 + 1);
}

certificate make_certificate(std::string const& dir, std::size_t hosts) {
    certificate out{dir + "/receiver.pem", dir + "/receiver.key"};
    std::string names = "subjectAltName=IP:127.0.0.1";
    for (std::size_t i = 0; i < hosts; ++i)
        names += ",IP:" + receiver_address(i);
    run_command({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                 "2", "-subj", "/CN=bench", "-addext", names, "-keyout", out.key_file, "-out", out.file},
                dir + "/openssl.out");
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
