// Ten thousand secrets, put wherever one can be: none shows in the log, in what the daemon prints, in its database's
// log, in the texts of errors, in metrics and probes. What owners ask for, the API shows; that is what the controls
// are.
#include "e2e/daemon.hpp"
#include "e2e/planted.hpp"

#include "api/raw_client.hpp"
#include "support/sanitized.hpp"
#include "support/scripted_receiver.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <thread>

namespace klen::webhooks::e2e {
namespace {

namespace json = boost::json;
using boost::asio::ip::tcp;
using klen::webhooks::testing::closed_port;
using klen::webhooks::testing::script;
using klen::webhooks::testing::scripted_receiver;
using klen::webhooks::testing::self_signed;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// Says back all that it is sent, in the reason, in fields and in the body, with the status that the path begins with.
class echoing_receiver {
  public:
    echoing_receiver() : acceptor_(context_, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
        for (auto& thread : threads_)
            thread = std::thread([this] { run(); });
    }
    ~echoing_receiver() {
        stopping_ = true;
        for (std::size_t i = 0; i < threads_.size(); ++i)
            tcp::iostream const wakes("127.0.0.1", std::to_string(port()));
        for (auto& thread : threads_)
            thread.join();
    }
    echoing_receiver(echoing_receiver const&) = delete;
    echoing_receiver& operator=(echoing_receiver const&) = delete;

    std::string url(int status) const {
        return "http://127.0.0.1:" + std::to_string(port()) + "/" + std::to_string(status) + "/hook";
    }
    /// All signatures that came.
    std::set<std::string> signatures() const {
        std::lock_guard lock(mutex_);
        return signatures_;
    }

  private:
    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

    void run() {
        for (;;) {
            tcp::iostream peer;
            {
                std::lock_guard turn(accepting_);
                acceptor_.accept(peer.socket());
            }
            if (stopping_)
                return;
            peer.expires_after(10s);
            answer(peer);
        }
    }
    void answer(tcp::iostream& peer) {
        std::string first;
        std::getline(peer, first);
        if (first.size() < 9)
            return; // closed before it asked for anything
        std::size_t length = 0;
        std::string credentials;
        std::string fields;
        for (std::string line; std::getline(peer, line) && line != "\r";) {
            line.pop_back();
            auto const value = line.substr(std::min(line.find(": ") + 2, line.size()));
            if (line.starts_with("Content-Length"))
                length = std::stoul(value);
            if (line.starts_with("X-Klen-Signature") || line.starts_with("webhook-signature"))
                note(value);
            if (line.starts_with("Authorization"))
                credentials = value;
            fields += "X-Echo: " + line + "\r\n";
        }
        std::string body(length, '\0');
        peer.read(body.data(), static_cast<std::streamsize>(length));
        body = first + "\n" + fields + body;
        peer << "HTTP/1.1 " << first.substr(6, 3) << " no: " << credentials << "\r\nLocation: http://127.0.0.1/?"
             << credentials << "\r\n"
             << fields << "Connection: close\r\nContent-Length: " << body.size() << "\r\n\r\n"
             << body << std::flush;
    }
    /// "v1,…" of each live secret, or hex.
    void note(std::string const& value) {
        std::lock_guard lock(mutex_);
        for (std::size_t at = 0; at < value.size(); at = std::min(value.find(' ', at), value.size() - 1) + 1) {
            auto const one = value.substr(at, value.find(' ', at) - at);
            signatures_.insert(one.starts_with("v1,") ? one.substr(3) : one);
        }
    }

    boost::asio::io_context context_;
    tcp::acceptor acceptor_;
    std::mutex accepting_;
    std::atomic<bool> stopping_ = false;
    mutable std::mutex mutex_;
    std::set<std::string> signatures_;
    std::array<std::thread, 8> threads_; ///< one that says nothing keeps nobody waiting
};

std::string raw(std::string const& line, std::string const& fields, std::string const& body = "") {
    return line + " HTTP/1.1\r\nHost: a\r\n" + fields +
           (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

/// Requests that are wrong, each with a secret in it, and where that is. `key`: one that may everything.
std::vector<std::pair<std::string, std::string>> wrong_requests(planted& in, std::string const& key,
                                                                std::string const& webhook) {
    std::vector<std::pair<std::string, std::string>> out;
    auto const s = [&](std::string const& kind) { return in.mark(kind); };
    auto const long_one = [&](std::string const& kind, std::size_t size) { return std::string(size, 'x') + s(kind); };
    std::string const of = "?account_id=acct_ok";
    std::string const known = "Authorization: Bearer " + key + "\r\n";
    std::string const list = "GET /api/v1/webhooks" + of;

    std::string const credentials = "wrong credentials";
    for (auto const& fields :
         {"Authorization: Basic " + in.mark_in_base64(credentials), "Authorization: " + s(credentials),
          "Authorization: Bearer klen_" + s(credentials), "Authorization: Bearer " + s(credentials) + " x",
          "X-API-Key: " + s(credentials), known + "X-API-Key: " + s(credentials),
          known + "Authorization: Bearer " + s(credentials), "Authorization: Digest response=" + s(credentials),
          "Authorization: Bearer " + s(credentials) + s(credentials), "Cookie: session=" + s(credentials),
          "Authorization: Bearer " + long_one(credentials, 9000)})
        out.emplace_back(credentials, raw(list, fields + "\r\n"));

    std::string const head = "malformed heads";
    for (auto const& fields : {"X-Token : " + s(head), "no colon " + s(head), "X: a\r\n folded " + s(head),
                               "X: \x01" + s(head), "Host: " + s(head), ": " + s(head), "Transfer-Encoding: " + s(head),
                               "Content-Length: " + s(head), "Content-Length: 1\r\nContent-Length: " + s(head)})
        out.emplace_back(head, raw(list, known + fields + "\r\n"));
    out.emplace_back(head, s(head) + " /api/v1/webhooks HTTP/1.1\r\nHost: a\r\n" + known + "\r\n");
    out.emplace_back(head, "GET /api/v1/webhooks HTTP/" + s(head) + "\r\nHost: a\r\n\r\n");
    out.emplace_back(head, "GET /api/v1/webhooks HTTP/1.1\r\nHost: u:" + s(head) + "@h\r\n" + known + "\r\n");
    for (auto const* field : {"Content-Type: ", "Expect: ", "Content-Type: application/json\r\nContent-Encoding: "})
        out.emplace_back(head, raw("POST /api/v1/webhooks" + of, known + field + s(head) + "\r\n", "{}"));
    out.emplace_back(head, raw("POST /api/v1/webhooks" + of,
                               known + "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", s(head)));
    out.emplace_back(head, raw("POST /api/v1/webhooks" + of,
                               known + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n") +
                               "zz" + s(head) + "\r\n");

    std::string const target = "request targets";
    for (auto const& path :
         {"/api/v1/" + s(target), "/api/v1/webhooks/" + s(target) + of, "/%zz" + s(target),
          "/api/v1/webhooks" + of + "&token=" + s(target), "/api/v1/webhooks" + of + "&limit=" + s(target),
          "/api/v1/webhooks" + of + "&enabled=" + s(target),
          "/api/v1/webhooks" + of + "&event_type=" + s(target) + "&limit=0",
          "/api/v1/events" + of + "&cursor=" + s(target), "/api/v1/events" + of + "&since=" + s(target),
          "/api/v1/webhooks/" + webhook + "/deliveries" + of + "&status=" + s(target),
          "/api/v1/webhooks/" + webhook + "/deliveries" + of + "&error_class=" + s(target),
          "http://u:" + s(target) + "@h/api/v1/nothing"})
        out.emplace_back(target, raw("GET " + path, known));

    std::string const fields = "wrong members";
    auto const with_body = [&](std::string const& kind, std::string const& line, std::string const& body) {
        out.emplace_back(kind, raw(line, known + "Content-Type: application/json\r\n", body));
    };
    auto const webhook_with = [&](std::string const& kind, std::string const& more) {
        with_body(kind, "POST /api/v1/webhooks" + of,
                  R"({"name":"n","url":"https://127.0.0.1/","subscribed_events":["*"],)" + more + "}");
    };
    std::string const urls = "refused URLs";
    for (auto const& url : {"https://user:" + s(urls) + "@127.0.0.1/", "https://" + s(urls) + "@127.0.0.1/",
                            "https://127.0.0.1/#" + s(urls), "ftp://u:" + s(urls) + "@127.0.0.1/", s(urls),
                            "https://[" + s(urls), "http://169.254.169.254/" + s(urls),
                            "https://127.0.0.1:22/?token=" + s(urls), "https://127.0.0.1/ " + s(urls),
                            "https://127.0.0.1:x/" + s(urls), "https://127.0.0.1/" + long_one(urls, 2100)})
        with_body(urls, "POST /api/v1/webhooks" + of,
                  R"({"name":"n","url":")" + url + R"(","subscribed_events":["*"]})");
    for (auto const& more :
         {R"("secret":"whsec_)" + s(fields) + '"', R"("secret":")" + s(fields) + '"',
          R"("secret":[")" + s(fields) + "\"]", R"("secret":"whsec_)" + in.mark_in_base64(fields) + R"(=")",
          R"("headers":{"Host":")" + s(fields) + "\"}",
          R"("headers":{"Authorization":"Bearer )" + s(fields) + R"(\n"})", R"("headers":{"X":[")" + s(fields) + "\"]}",
          R"("headers":{"X-Klen-Signature":")" + s(fields) + "\"}", R"("headers":{"no name":")" + s(fields) + "\"}",
          R"("headers":")" + s(fields) + '"', R"("headers":{"X":")" + long_one(fields, 4200) + "\"}",
          R"("metadata":")" + s(fields) + '"', R"("metadata":{"x":")" + long_one(fields, 4200) + "\"}",
          R"("description":")" + long_one(fields, 2100) + '"', R"("max_concurrency":")" + s(fields) + '"',
          R"("password":")" + s(fields) + '"', R"("enabled":")" + s(fields) + '"'})
        webhook_with(fields, more);
    std::string const one = "/api/v1/webhooks/" + webhook;
    for (auto const& [line, body] : std::vector<std::pair<std::string, std::string>>{
             {"PATCH " + one, R"({"secret":")" + s(fields) + "\"}"},
             {"POST " + one + "/rotate-secret", R"({"secret":")" + s(fields) + "\"}"},
             {"POST " + one + "/rotate-secret", R"({"grace_period_hours":")" + s(fields) + "\"}"},
             {"POST " + one + "/test", R"({"event_type":"call.ended","token":")" + s(fields) + "\"}"},
             {"POST " + one + "/recover", R"({"since":")" + s(fields) + "\"}"},
             {"POST " + one + "/disable", R"({"note":[")" + s(fields) + "\"]}"},
             {"POST " + one + "/enable", R"({"token":")" + s(fields) + "\"}"},
             {"POST /api/v1/keys", R"({"name":"k","permissions":[")" + s(fields) + "\"]}"},
             {"POST /api/v1/keys", R"({"name":"k","key":")" + s(fields) + "\"}"},
             {"POST /api/v1/events", R"({"event_type":"call.ended","payload":")" + s(fields) + "\"}"},
             {"POST /api/v1/events", R"({"event_type":"call.ended","payload":{"event_type":")" + s(fields) + "\"}}"},
             {"POST /api/v1/events", R"({"event_type":"call.ended","payload":{},"timestamp":")" + s(fields) + "\"}"},
             {"POST /api/v1/events", R"({"event_type":"call.ended","payload":{},"traceparent":")" + s(fields) + "\"}"},
             {"POST /api/v1/events", R"({"event_type":"call.ended","payload":{},"token":")" + s(fields) + "\"}"},
             {"POST /api/v1/events", R"([{"event_type":"call.ended","payload":")" + s(fields) + "\"}]"}})
        with_body(fields, line + of, body);

    std::string const broken = "malformed JSON";
    for (auto const& body :
         {R"({"secret":")" + s(broken), R"({"secret":")" + s(broken) + R"("}})", R"({"secret":)" + s(broken) + "}",
          R"({"a":")" + s(broken) + R"(","a":1})", "{\"a\":\"\xff" + s(broken) + "\"}", '[' + s(broken),
          '"' + s(broken) + '"', s(broken), R"({"a":"\q)" + s(broken) + "\"}",
          std::string(200, '[') + '"' + s(broken) + '"' + std::string(200, ']')})
        for (auto const* line : {"POST /api/v1/webhooks", "POST /api/v1/events"})
            with_body(broken, line + of, body);
    return out;
}

/// Each of them has a line in the log.
void expect_lines_about(std::set<std::string> missing, std::string_view log) {
    EXPECT_THAT(missing, Not(IsEmpty()));
    constexpr std::string_view name = "delivery_id";
    constexpr std::size_t uuid_size = 36;
    for (auto at = log.find(name); at != std::string_view::npos; at = log.find(name, at + 1)) {
        auto const value = log.find_first_of("0123456789abcdef", at + name.size());
        missing.erase(std::string(log.substr(std::min(value, log.size()), uuid_size)));
    }
    EXPECT_THAT(missing, IsEmpty());
}

/// Where the deliveries of one account go.
struct destination {
    std::string account;
    std::string url;
};

/// How the daemon is run: JSON lines and the private PostgreSQL, whose log is looked at as well; or lines for people
/// and a database with a password in its URL.
enum class manner { json_and_private, text_and_url };

struct planted_secrets : ::testing::TestWithParam<manner> {
    planted_secrets() {
        daemon::settings with{{"KLEN_WEBHOOKS_LOG_LEVEL", "trace"},
                              {"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1"},
                              {"KLEN_WEBHOOKS_DISPATCH_CIRCUIT_FAILURES", "0"},
                              {"KLEN_WEBHOOKS_DISPATCH_CIRCUIT_FAILURE_PERCENT", "0"}};
        if (!is_private()) {
            database = std::make_unique<test::test_database>();
            with.emplace("KLEN_WEBHOOKS_LOG_FORMAT", "text");
            with.emplace("KLEN_WEBHOOKS_DATABASE_URL", url_of(*database, secrets.mark("database passwords")));
            with.emplace("KLEN_WEBHOOKS_SECRETS_MASTER_KEY", secrets.mark_in_base64("master keys"));
            with.emplace("KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS", "k0:" + secrets.mark_in_base64("master keys"));
        }
        it = std::make_unique<daemon>(std::move(with));
        it->start();
        if (is_private()) {
            key = it->key();
            secrets.remember("master keys", lines_of(file_text(it->private_dir() + "/master.key")).at(0));
        } else {
            auto const made = run_command({"key", "create", "--platform", "--name", "test"}, it->environment());
            key = made.out.substr(std::min(made.out.find("klen_"), made.out.size()));
            key = key.substr(0, key.find_first_of("\r\n "));
            EXPECT_THAT(key, SizeIs(54)) << made.out << made.err;
            EXPECT_TRUE(eventually([&] { return it->call("GET", "/api/v1/whoami", {}, key).status == 200; }));
        }
        secrets.remember("API keys", key);
    }

    static bool is_private() { return GetParam() == manner::json_and_private; }

    void expect_none_in(std::string_view text, std::string const& where) const {
        EXPECT_THAT(secrets.found_in(text), IsEmpty()) << where;
    }
    json::value ask(std::string const& method, std::string const& path, int expected, std::string const& body = {}) {
        auto const got = it->call(method, "/api/v1" + path, body, key);
        auto const said = json::serialize(got.body);
        EXPECT_EQ(got.status, expected) << method << " " << path << " " << said;
        if (got.status >= 400)
            expect_none_in(said, method + " " + path);
        return got.body;
    }
    static std::string text_of(json::value const& from, char const* name) {
        return std::string(from.at(name).as_string());
    }
    /// As many as a webhook may have.
    std::string twenty_headers(std::string const& kind) {
        std::string out = R"("headers":{"Authorization":"Bearer )" + secrets.mark(kind) + '"';
        for (int i = 1; i < 20; ++i)
            out += R"(,"X-Token-)" + std::to_string(i) + R"(":")" + secrets.mark(kind) + '"';
        return out + "}";
    }
    std::string of(destination const& where) const { return "?account_id=" + where.account; }

    void make_webhooks(destination const& where) {
        for (bool const given : {true, false}) {
            auto const url = where.url + "/" + secrets.mark("webhook URLs") + "?token=" + secrets.mark("webhook URLs");
            auto const made =
                ask("POST", "/webhooks" + of(where), 201,
                    R"({"name":"n","url":")" + url + R"(","subscribed_events":["*"],)" + twenty_headers("headers") +
                        (given ? R"(,"secret":"whsec_)" + secrets.mark_in_base64("secrets given") + '"' : "") + "}");
            if (!given)
                secrets.remember("secrets made", text_of(made, "secret"));
            webhooks.emplace_back(text_of(made, "id"), where);
        }
    }
    /// Twenty in each event: as values, as names, deep down and among other text.
    void publish(destination const& where, int events) {
        auto const s = [&] { return '"' + secrets.mark("payloads") + '"'; };
        auto const list = [&] {
            std::string out;
            for (int i = 0; i < 14; ++i)
                out += (out.empty() ? "" : ",") + s();
            return out;
        };
        std::string batch;
        for (int i = 0; i < events; ++i)
            batch += std::string(batch.empty() ? "[" : ",") + R"({"event_type":"call.ended","payload":{"token":)" +
                     s() + R"(,"list":[)" + list() + R"(],"call":{"password":)" + s() + R"(,"deep":{"key":)" + s() +
                     ',' + s() + R"(:1}},)" + s() + R"(:null,"text":"Bearer )" + secrets.mark("payloads") + R"("}})";
        auto const answer = ask("POST", "/events" + of(where), 202, batch + "]");
        for (auto const& result : answer.at("results").as_array())
            EXPECT_EQ(result.at("status"), 202) << json::serialize(result);
    }
    void change_headers(int times) {
        for (auto const& [id, where] : webhooks)
            for (int i = 0; i < times; ++i)
                ask("PATCH", "/webhooks/" + id + of(where), 200, "{" + twenty_headers("changed headers") + "}");
    }
    void rotate(int times) {
        for (auto const& [id, where] : webhooks) {
            auto const path = "/webhooks/" + id + "/rotate-secret" + of(where);
            for (int i = 0; i < times; ++i) {
                auto const made = ask("POST", path, 200, R"({"grace_period_hours":)" + std::to_string(i % 2) + "}");
                secrets.remember("secrets made", text_of(made, "secret"));
                ask("POST", path, 200,
                    R"({"secret":"whsec_)" + secrets.mark_in_base64("secrets given") + R"(","grace_period_hours":0})");
            }
        }
    }
    /// Made, used, and every second one revoked and used once more.
    void use_keys(destination const& where, int count) {
        for (int i = 0; i < count; ++i) {
            auto const made = ask("POST", "/keys" + of(where), 201, R"({"name":"k"})");
            auto const text = text_of(made, "key");
            secrets.remember("API keys", text);
            EXPECT_EQ(it->call("GET", "/api/v1/whoami", {}, text).status, 200);
            if (i % 2 == 0)
                continue;
            ask("DELETE", "/keys/" + text_of(made, "id") + of(where), 200);
            auto const refused = it->call("GET", "/api/v1/whoami", {}, text);
            EXPECT_EQ(refused.status, 401);
            expect_none_in(json::serialize(refused.body), "a revoked key");
        }
    }
    void send_wrong_requests(int times) {
        for (int i = 0; i < times; ++i) {
            for (auto const& [kind, bytes] : wrong_requests(secrets, key, webhooks.front().first)) {
                testing_support::raw_client client(it->port());
                auto const got = client.exchange(bytes);
                EXPECT_GE(got.status, 400) << kind << ": " << bytes << got.body;
                EXPECT_LT(got.status, 500) << kind << ": " << bytes << got.body;
                expect_none_in(got.head + got.body, kind + " " + bytes);
                wrong += 1;
            }
            // A client that goes away in the middle of its head, and of its body.
            for (std::string const rest : {"Authorization: Bearer ", "Content-Length: 1000\r\n\r\n"}) {
                testing_support::raw_client client(it->port());
                client.send("POST /api/v1/webhooks HTTP/1.1\r\nHost: a\r\nX-API-Key: " + key +
                            "\r\nContent-Type: application/json\r\n" + rest + secrets.mark("cut off"));
            }
        }
    }
    /// Nothing of these webhooks waits any more.
    bool all_done() {
        return std::ranges::all_of(webhooks, [this](auto const& one) {
            auto const& [id, where] = one;
            auto const waits =
                ask("GET", "/webhooks/" + id + "/deliveries" + of(where) + "&status=pending&limit=1", 200);
            return waits.at("deliveries").as_array().empty();
        });
    }
    std::vector<std::string> deliveries_of(std::string const& webhook, destination const& where) {
        std::vector<std::string> out;
        auto const all = ask("GET", "/webhooks/" + webhook + "/deliveries" + of(where) + "&limit=200", 200);
        for (auto const& one : all.at("deliveries").as_array())
            out.push_back(text_of(one, "id"));
        return out;
    }
    void test_resend_and_recover() {
        for (auto const& [id, where] : webhooks) {
            ask("POST", "/webhooks/" + id + "/test" + of(where), 200, R"({"event_type":"call.ended"})");
            ask("POST", "/deliveries/" + deliveries_of(id, where).front() + "/resend" + of(where), 202);
            if (where.account == "acct_500") // a second schedule for all of them would only take time
                ask("POST", "/webhooks/" + id + "/recover" + of(where), 202, R"({"since":"2020-01-01T00:00:00Z"})");
        }
    }
    std::string probe(std::string const& path) const {
        testing_support::raw_client client(it->port());
        auto const got = client.exchange("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(got.status, 200) << path;
        return got.head + got.body;
    }

    planted secrets;
    std::unique_ptr<test::test_database> database;
    std::unique_ptr<daemon> it;
    std::string key;
    std::vector<std::pair<std::string, destination>> webhooks;
    int wrong = 0;
};

TEST_P(planted_secrets, show_nowhere_but_where_their_owner_asks_for_them) {
    bool const slow = klen::webhooks::testing::sanitized;
    echoing_receiver echo;
    closed_port const closed;
    scripted_receiver distrusted(script().answer(200).again(), {.identity = self_signed()});
    scripted_receiver no_http(script().read_request().send("HTTP/9 " + secrets.mark("what receivers say") + "\r\n" +
                                                           secrets.mark("what receivers say") + "\r\n\r\n"));
    scripted_receiver resets(script().read_request().reset());
    std::vector<destination> const destinations{
        {"acct_ok", echo.url(200)},     {"acct_500", echo.url(500)},
        {"acct_302", echo.url(302)},    {"acct_refused", "http://127.0.0.1:" + std::to_string(closed.port()) + "/hook"},
        {"acct_tls", distrusted.url()}, {"acct_no_http", no_http.url()},
        {"acct_reset", resets.url()}};
    for (auto const& where : destinations) {
        make_webhooks(where);
        publish(where, slow ? 5 : 60);
        use_keys(where, slow ? 2 : 5);
    }
    change_headers(slow ? 1 : 4);
    rotate(slow ? 1 : 3);
    send_wrong_requests(slow ? 1 : 5);
    ASSERT_TRUE(eventually([this] { return all_done(); }, 60s));
    std::set<std::string> deliveries;
    for (auto const& [id, where] : webhooks)
        for (auto& delivery : deliveries_of(id, where))
            deliveries.insert(std::move(delivery));
    test_resend_and_recover();
    ASSERT_TRUE(eventually([this] { return all_done(); }, 60s));

    // What is sought is really there to be found: the receiver has said it back, and the record keeps it.
    auto const& [failing, its_account] = webhooks.at(2);
    auto const record = ask("GET", "/deliveries/" + deliveries_of(failing, its_account).back() + of(its_account), 200);
    auto const& attempt = record.at("attempts").as_array().at(0).as_object();
    EXPECT_EQ(attempt.at("status"), 500);
    EXPECT_THAT(secrets.found_in(json::serialize(attempt.at("response_body"))), Not(IsEmpty()));
    EXPECT_THAT(secrets.found_in(json::serialize(attempt.at("request_headers"))), Not(IsEmpty()));
    auto const shown = ask("GET", "/webhooks/" + failing + "/secret" + of(its_account), 200);
    EXPECT_THAT(secrets.found_in(json::serialize(shown)), Not(IsEmpty()));
    EXPECT_GE(secrets.count(), slow ? 1'000U : 10'000U);
    for (auto const& signature : echo.signatures())
        secrets.remember("signatures", signature);

    auto const metrics = probe("/metrics");
    EXPECT_THAT(metrics, HasSubstr("klen_"));
    expect_none_in(metrics, "metrics");
    for (char const* path : {"/livez", "/healthz", "/readyz?verbose", "/api/v1/openapi.json"})
        expect_none_in(probe(path), path);
    EXPECT_EQ(it->stop(), 0);

    auto const log = it->log();
    expect_none_in(log, "the log");
    expect_none_in(it->process().output(), "standard output");
    expect_none_in(it->process().errors(), "standard error");
    if (is_private())
        expect_none_in(file_text(it->private_dir() + "/postgres.log"), "PostgreSQL's log");
    expect_lines_about(deliveries, log);
    auto const lines = lines_of(log);
    EXPECT_GE(std::ranges::count_if(lines, [](auto const& line) { return line.find("request answered") != line.npos; }),
              wrong);
    for (auto const& [kind, n] : secrets.by_kind())
        RecordProperty(kind, static_cast<int>(n));
}

INSTANTIATE_TEST_SUITE_P(, planted_secrets, ::testing::Values(manner::json_and_private, manner::text_and_url),
                         [](auto const& how) {
                             return how.param == manner::json_and_private ? "json_and_private" : "text_and_url";
                         });

/// One wrong configuration, and the setting that the error has to name.
struct wrong_setting {
    std::string file;
    std::map<std::string, std::string> environment;
    char const* named;
};

TEST(planted_settings, that_are_wrong_are_named_and_not_repeated) {
    planted secrets;
    auto const s = [&] { return secrets.mark("settings"); };
    auto const key = [&] { return secrets.mark_in_base64("settings"); };
    temporary_folder folder;
    write_file(folder / "key", s() + "\n");
    std::vector<wrong_setting> all{
        {"[secrets]\nmaster_key = \"" + s() + "\"\n", {}, "secrets.master_key"},
        {"[secrets]\nmaster_key = \"" + key() + "x\"\n", {}, "secrets.master_key"},
        {"[secrets]\nmaster_key = [\"" + s() + "\"]\n", {}, "secrets.master_key"},
        {"[secrets]\nmaster_keyy = \"" + s() + "\"\n", {}, "secrets.master_keyy"},
        {"[secrets]\nmaster_key = \"" + s() + "\n", {}, "wrong.toml:2"},
        {"[secrets]\nmaster_key = " + s() + "\n", {}, "wrong.toml:2"},
        {"[secrets]\nmaster_key = \"a\" " + s() + "\n", {}, "wrong.toml:2"},
        {"[secrets]\nmaster_key = \"\\q" + s() + "\"\n", {}, "wrong.toml:2"},
        {"[secrets]\nmaster_key = \"" + key() + "\"\nmaster_key = \"" + key() + "\"\n", {}, "wrong.toml:3"},
        {"[secrets]\nprevious_master_keys = [\"" + s() + "\", \"k0:" + s() + "\"]\n", {}, "previous_master_keys"},
        {"[secrets]\nprevious_master_keys = \"k0:" + key() + "\"\n", {}, "previous_master_keys"},
        {"[database]\nurl = [\"" + s() + "\"]\n", {}, "database.url"},
        {"", {{"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", s()}}, "KLEN_WEBHOOKS_SECRETS_MASTER_KEY"},
        {"", {{"KLEN_WEBHOOKS_SECRETS_MASTER_KEY_FILE", folder / "key"}}, "KLEN_WEBHOOKS_SECRETS_MASTER_KEY_FILE"},
        {"", {{"KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS", s()}}, "KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS"},
        {"", {{"KLEN_WEBHOOKS_SECRETS_MASTER_KEYS", key()}}, "KLEN_WEBHOOKS_SECRETS_MASTER_KEYS"}};
    for (std::string const& url :
         {s(), "mysql://u:" + s() + "@h/d", "host=h password=" + s(), "postgresql://u:" + s() + "@h:99999/d",
          "postgresql://u:" + s() + "@h:x/d", "postgresql://u:" + s() + "@[h/d", "postgresql://u:%" + s() + "@h/d",
          "postgresql://u:" + s() + "@h/d?sslmode=x", "postgresql://u:" + s() + "@h/d?no_such=1",
          "postgresql://u@h/d?sslmode=x&password=" + s(), "postgresql://u:a/" + s() + "@h:x/d",
          "postgresql://u:" + s() + "?@h/d", "postgresql://u:#" + s() + "@h:x/d"}) {
        if (all.size() % 2 == 0)
            all.push_back({"[database]\nurl = \"" + url + "\"\n", {}, "database.url"});
        else
            all.push_back({"", {{"KLEN_WEBHOOKS_DATABASE_URL", url}}, "KLEN_WEBHOOKS_DATABASE_URL"});
    }
    int tried = 0;
    for (auto const& one : all) {
        write_file(folder / "wrong.toml", one.file);
        auto environment = one.environment;
        environment.emplace("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", folder / "none");
        environment.emplace("KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "0");
        bool const serves = ++tried % 4 > 1; // both read it in the same way, from wherever it comes
        auto const done =
            run_command({serves ? "serve" : "check-config", "--config", folder / "wrong.toml"}, environment);
        EXPECT_EQ(done.code, 3) << one.file << one.named << done.out << done.err;
        EXPECT_THAT(done.err, HasSubstr(one.named)) << one.file;
        EXPECT_THAT(secrets.found_in(done.out + done.err), IsEmpty()) << one.file << one.named;
    }
    // A right one shows its secrets no more than a wrong one, nor does a database that is not there.
    auto const password = s();
    std::map<std::string, std::string> const right{
        {"KLEN_WEBHOOKS_DATABASE_URL", "postgresql://u:" + password + "@127.0.0.1:1/d"},
        {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", key()},
        {"KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS", "k0:" + key()},
        {"KLEN_WEBHOOKS_DATABASE_START_WAIT_MS", "0"},
        {"KLEN_WEBHOOKS_LOG_LEVEL", "trace"}};
    for (auto const& [command, code] : std::map<std::string, int>{{"check-config", 0}, {"serve", 4}, {"migrate", 4}}) {
        auto const done = run_command({command}, right);
        EXPECT_EQ(done.code, code) << command << done.err;
        EXPECT_THAT(secrets.found_in(done.out + done.err), IsEmpty()) << command;
    }
    EXPECT_THAT(secrets.found_in(right.at("KLEN_WEBHOOKS_DATABASE_URL")), SizeIs(1)) << "the search finds it there";
}

TEST(planted_command_lines, that_are_wrong_are_refused_without_what_is_secret_in_them) {
    planted secrets;
    auto const s = [&] { return secrets.mark("command lines"); };
    temporary_folder folder;
    write_file(folder / "secret", s() + "\n");
    write_file(folder / "two", s() + "\n" + s() + "\n");
    std::string const nobody = "http://127.0.0.1:1";
    std::vector<std::string> const create{"webhook", "create", "http://127.0.0.1:9/", "--name", "n", "--event", "*"};
    auto const created = [&](std::vector<std::string> more) {
        more.insert(more.begin(), create.begin(), create.end());
        return more;
    };
    struct line {
        std::vector<std::string> words;
        std::map<std::string, std::string> environment = {};
    };
    for (auto const& [words, environment] :
         std::vector<line>{{{"whoami", "--url", nobody, "--key", s()}},
                           {{"whoami", "--url", nobody, "--key", s() + " " + s()}},
                           {{"whoami", "--url", nobody}, {{"KLEN_WEBHOOKS_KEY", s()}}},
                           {{"whoami", "--url", nobody, "--key-file", folder / "two"}},
                           {{"whoami", "--url", "http://u:" + s() + "@127.0.0.1:1", "--key", s()}},
                           {{"whoami", "--key", s()}, {{"KLEN_WEBHOOKS_URL", "http://u:" + s() + "@127.0.0.1:1"}}},
                           {{"whoami", "--key", s()}, {{"KLEN_WEBHOOKS_URL", "ftp://u:" + s() + "@127.0.0.1:1"}}},
                           {{"whoami", "--key", s()}, {{"KLEN_WEBHOOKS_URL", "http://127.0.0.1:1/?token=" + s()}}},
                           {{"whoami", "--key", s()}, {{"KLEN_WEBHOOKS_URL", "http://u:" + s() + "@127.0.0.1:x y"}}},
                           {created({"--url", nobody, "--key", s(), "--header", "Authorization: Bearer " + s()})},
                           {created({"--key", s(), "--header", "Authorization Bearer " + s()})},
                           {created({"--key", s(), "--header", ": " + s()})},
                           {created({"--key", s(), "--use-secret-file", folder / "secret"})},
                           {created({"--key", s(), "--metadata", "{\"token\":\"" + s()})},
                           {{"webhook", "rotate-secret", "w", "--key", s(), "--use-secret-file", folder / "secret"}},
                           {{"listen", "--secret", s()}},
                           {{"listen", "--secret-file", folder / "secret"}},
                           {{"listen"}, {{"KLEN_WEBHOOKS_SECRET", s()}}}}) {
        auto const done = run_command(words, environment);
        EXPECT_NE(done.code, 0) << ::testing::PrintToString(words);
        EXPECT_FALSE(done.err.empty()) << ::testing::PrintToString(words);
        EXPECT_THAT(secrets.found_in(done.out + done.err), IsEmpty()) << ::testing::PrintToString(words);
    }
}

TEST(planted_search, finds_what_is_there_in_every_form) {
    planted secrets;
    auto const mark = secrets.mark("any");
    std::string const made = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    std::string const key = "klen_3fQxabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHI";
    secrets.remember("any", made);
    secrets.remember("any", key);
    auto const bytes_of = [](std::string const& text) {
        return std::span(reinterpret_cast<std::uint8_t const*>(text.data()), text.size());
    };
    for (auto const& text :
         {mark, "x" + mark + "x", mark.substr(0, 10), hex_encode(bytes_of("x" + mark)), base64_encode(bytes_of(mark)),
          base64_encode(bytes_of("x" + mark)), base64_encode(bytes_of("xy" + mark)), secrets.mark_in_base64("any"),
          made, made.substr(6, 20), std::string("30313233343536373839303132333435"), key, key.substr(16)})
        EXPECT_THAT(secrets.found_in("before " + text + " after"), Not(IsEmpty())) << text;
    for (std::string const text : {"", "planted", "klen_3fQx", "whsec_", "0f4c61-7 a planned delivery"})
        EXPECT_THAT(secrets.found_in(text), IsEmpty()) << text;
}

} // namespace
} // namespace klen::webhooks::e2e
