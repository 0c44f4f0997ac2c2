#include "app/api_client.hpp"

#include "app/blocking.hpp"
#include "klen/webhooks/base/version.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace klen::webhooks::app {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;

constexpr std::uint64_t answer_bytes_max = 64U << 20;
constexpr std::size_t read_step_bytes = 64U << 10;

using request = http::request<http::string_body>;
struct exchanged {
    boost::system::error_code error;
    char const* doing = "";
    std::string why; ///< more than the error's own words; often empty
    api_answer answer;
};

struct place {
    std::string host;
    std::string port;
    bool tls = false;
};

/// One deadline over all steps; the stream's own timer ends each of them.
task<exchanged> connect(beast::tcp_stream& stream, place where, steady_time deadline) {
    exchanged out;
    out.doing = "find the host";
    tcp::resolver resolver(stream.get_executor());
    auto const found =
        co_await resolver.async_resolve(where.host, where.port, asio::redirect_error(use_task, out.error));
    if (out.error)
        co_return out;
    out.doing = "connect";
    stream.expires_at(deadline);
    co_await stream.async_connect(found, asio::redirect_error(use_task, out.error));
    co_return out;
}

std::string text_of(request const& asked) {
    std::ostringstream out;
    out << asked;
    return std::move(out).str();
}

/// Beast's own asynchronous reading and writing would be instantiated for each kind of stream: most of this file's
/// compile time, and there is one message each way.
template <class Stream>
task<exchanged> talk_over(Stream& stream, request const& asked) {
    exchanged out;
    out.doing = "send the request";
    auto const text = text_of(asked);
    co_await asio::async_write(stream, asio::buffer(text), asio::redirect_error(use_task, out.error));
    if (out.error)
        co_return out;
    out.doing = "read the answer";
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(answer_bytes_max);
    while (!out.error && !parser.is_done()) {
        auto const space = buffer.prepare(read_step_bytes);
        auto const n = co_await stream.async_read_some(space, asio::redirect_error(use_task, out.error));
        buffer.commit(n);
        if (out.error == asio::error::eof && parser.got_some())
            parser.put_eof(out.error);
        else if (!out.error)
            buffer.consume(parser.put(buffer.data(), out.error));
        if (out.error == http::error::need_more)
            out.error = {};
    }
    if (out.error)
        co_return out;
    auto& got = parser.get();
    out.answer.status = static_cast<int>(got.result_int());
    out.answer.retry_after = std::string(got[http::field::retry_after]);
    out.answer.request_id = std::string(got["X-Request-ID"]);
    out.answer.replayed = got["Idempotency-Replayed"] == "true";
    out.answer.body = std::move(got.body());
    co_return out;
}

/// SSL_CERT_FILE; empty: the system's authorities are asked.
std::string certificate_file() {
    char const* const name = std::getenv("SSL_CERT_FILE");
    return name == nullptr ? std::string() : std::string(name);
}

/// Why the daemon's certificate is not believed, and where to mend that; empty when it is something else.
std::string certificate_problem(SSL* tls, boost::system::error_code const& ec, std::string const& host) {
    if (ec.category() != asio::error::get_ssl_category() ||
        ERR_GET_REASON(static_cast<unsigned long>(ec.value())) != SSL_R_CERTIFICATE_VERIFY_FAILED)
        return {};
    auto const result = SSL_get_verify_result(tls);
    // The check of the host is not OpenSSL's own: it leaves no reason.
    if (result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED)
        return "the certificate is not for " + host;
    auto const file = certificate_file();
    return std::string("the certificate is not accepted: ") + X509_verify_cert_error_string(result) +
           (file.empty() ? "; the system's authorities were asked: name a file with others in SSL_CERT_FILE"
                         : "; the authorities in " + file + " (SSL_CERT_FILE) were asked");
}

task<exchanged> call_plain(place where, request asked, steady_time deadline) {
    auto const ex = co_await asio::this_coro::executor;
    beast::tcp_stream stream(ex);
    auto connected = co_await connect(stream, where, deadline);
    if (connected.error)
        co_return connected;
    auto out = co_await talk_over(stream, asked);
    co_return out;
}

task<exchanged> call_tls(place where, request asked, steady_time deadline) {
    auto const ex = co_await asio::this_coro::executor;
    exchanged out;
    ssl::context context(ssl::context::tls_client);
    context.set_default_verify_paths(out.error);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    beast::ssl_stream<beast::tcp_stream> stream(ex, context);
    stream.set_verify_mode(ssl::verify_peer);
    stream.set_verify_callback(ssl::host_name_verification(where.host));
    // SSL_set_tlsext_host_name is a macro with a C cast; this is what it does.
    SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, where.host.data());
    auto connected = co_await connect(beast::get_lowest_layer(stream), where, deadline);
    if (connected.error)
        co_return connected;
    out.doing = "agree on TLS";
    co_await stream.async_handshake(ssl::stream_base::client, asio::redirect_error(use_task, out.error));
    if (out.error) {
        out.why = certificate_problem(stream.native_handle(), out.error, where.host);
        co_return out;
    }
    out = co_await talk_over(stream, asked);
    co_return out; // closed without close_notify: the answer's length was checked
}

/// What a message repeats of a URL: there may be a password in front of an @, and a token behind a ? or a #.
std::string without_secrets(std::string_view url) {
    auto const at = url.rfind('@');
    if (at != std::string_view::npos && url.find_first_of("?#") < at)
        return "…";
    auto const rest = url.substr(at == std::string_view::npos ? 0 : at);
    auto const shown = rest.substr(0, rest.find_first_of("?#"));
    return (at == std::string_view::npos ? "" : "…") + std::string(shown) + (shown.size() < rest.size() ? "…" : "");
}

} // namespace

std::string percent_encoded(std::string_view text) {
    return boost::urls::encode({text.data(), text.size()}, boost::urls::unreserved_chars);
}

result<api_client> api_client::create(std::string_view base_url, std::string key) {
    auto const parsed = boost::urls::parse_uri({base_url.data(), base_url.size()});
    auto const wrong = [&base_url](std::string const& why) {
        return failure{fault::invalid_argument, "the daemon's URL (--url, --api or KLEN_WEBHOOKS_URL): \"" +
                                                    without_secrets(base_url) + "\" " + why};
    };
    if (!parsed || parsed->encoded_host().empty())
        return wrong("is no URL: write one like http://127.0.0.1:8080");
    std::string const scheme(parsed->scheme());
    if (scheme != "http" && scheme != "https")
        return wrong("must begin with http:// or https://");
    if (parsed->has_userinfo() || parsed->has_query() || parsed->has_fragment())
        return wrong("must hold host, port and path only");
    api_client out;
    out.base_url_ = base_url;
    out.tls_ = scheme == "https";
    out.host_ = parsed->host_address();
    out.port_ = parsed->has_port() ? std::string(parsed->port()) : out.tls_ ? "443" : "80";
    out.host_field_ = std::string(parsed->encoded_host_and_port());
    out.prefix_ = std::string(parsed->encoded_path());
    while (out.prefix_.ends_with('/'))
        out.prefix_.pop_back();
    // As the guide's $API has it; every path that is asked for begins with it.
    if (constexpr std::string_view api = "/api/v1"; out.prefix_.ends_with(api))
        out.prefix_.resize(out.prefix_.size() - api.size());
    if (key.find_first_of("\r\n \t") != std::string::npos)
        return failure{fault::invalid_argument, "the key must not hold white space"};
    out.key_ = std::move(key);
    return out;
}

result<api_answer> api_client::call(std::string_view method, std::string const& path, std::string body,
                                    std::string const& idempotency_key) const {
    if (idempotency_key.find_first_of("\r\n") != std::string::npos)
        return failure{fault::invalid_argument, "the idempotency key must not hold a line end"};
    request asked(http::string_to_verb({method.data(), method.size()}), prefix_ + path, 11);
    asked.set(http::field::host, host_field_);
    asked.set(http::field::user_agent, "klen-webhooks/" + std::string(version()));
    asked.set(http::field::accept, "application/json");
    if (!key_.empty())
        asked.set(http::field::authorization, "Bearer " + key_);
    if (!idempotency_key.empty())
        asked.set("Idempotency-Key", idempotency_key);
    if (!body.empty())
        asked.set(http::field::content_type, "application/json");
    asked.body() = std::move(body);
    asked.keep_alive(false);
    asked.prepare_payload();
    if (auto const file = certificate_file(); tls_ && !file.empty() && !std::ifstream(file))
        return failure{fault::invalid_argument, "SSL_CERT_FILE: cannot open " + file + ": " + std::strerror(errno)};
    auto const deadline = std::chrono::steady_clock::now() + timeout_;
    place const where{host_, port_, tls_};
    std::function<task<exchanged>()> const doing = [&] {
        return tls_ ? call_tls(where, asked, deadline) : call_plain(where, asked, deadline);
    };
    auto const done = run_for_result<exchanged>(doing);
    if (done.error)
        return failure{fault::io, "cannot reach " + base_url_ + ": could not " + done.doing + ": " +
                                      (done.why.empty() ? done.error.message() : done.why)};
    return done.answer;
}

} // namespace klen::webhooks::app
