#include "egress/response_reader.hpp"

#include "egress/chunked_body.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <charconv>
#include <limits>

namespace klen::webhooks::egress {

namespace http = boost::beast::http;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int interim_responses_max = 8;
constexpr std::string_view header_end = "\r\n\r\n";
constexpr std::string_view status_line_start = "HTTP/1.";

/// Bytes that are neither header nor body: chunk sizes, chunk extensions, trailers. Enough for a body of 4 KiB in
/// chunks of one byte (five bytes around each).
constexpr std::size_t framing_bytes_max = 24'576;

constexpr std::string_view too_large_header = "The response's headers are too large.";
constexpr std::string_view not_http = "The response is not HTTP/1.0 or HTTP/1.1.";
constexpr std::string_view bad_header = "The response's headers are not valid HTTP/1.1.";
constexpr std::string_view bad_framing =
    "The response says more than once, or in an unknown way, where its body ends (Content-Length, Transfer-Encoding).";
constexpr std::string_view too_many_interim = "The receiver sent too many interim (1xx) responses.";

bool iequals(std::string_view a, std::string_view b) {
    auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

/// "timeout=5, max=100"
std::optional<std::chrono::seconds> parse_keep_alive(std::string_view value) {
    constexpr std::string_view name = "timeout=";
    for (auto rest = value; !rest.empty();) {
        auto const comma = rest.find(',');
        auto item = rest.substr(0, comma);
        item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
        if (item.size() > name.size() && iequals(item.substr(0, name.size()), name)) {
            std::uint32_t n = 0;
            auto const [end, error] = std::from_chars(item.data() + name.size(), item.data() + item.size(), n);
            if (error == std::errc{} && end != item.data() + name.size())
                return std::chrono::seconds(n);
        }
        if (comma == std::string_view::npos)
            break;
        rest.remove_prefix(comma + 1);
    }
    return std::nullopt;
}

} // namespace

/// What Beast tells about the header of one message, interim or final. It is given complete headers only: bodies are
/// read here, within limits of our own.
class response_reader::parser final : public http::basic_parser<false> {
  public:
    parser() {
        header_limit(std::numeric_limits<std::uint32_t>::max()); // the reader counts, over all messages
        body_limit(boost::none);                                 // the length announced may be any: it is not awaited
    }

    int status = 0;
    std::string retry_after;
    std::optional<std::chrono::seconds> keep_alive_for;

    bool framing_is_clear() const {
        // Beast itself refuses lengths that differ. It would take one that is told twice (RFC 9110 §8.6 leaves the
        // choice), an unknown coding as framed by the length beside it, and a chunked one in HTTP/1.0, whose receivers
        // do not know it.
        if (transfer_encodings_ == 0)
            return content_lengths_ <= 1;
        return transfer_encodings_ == 1 && content_lengths_ == 0 && !unknown_coding_ && version_ >= 11;
    }

  private:
    using string_view = boost::beast::string_view;

    void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int code, string_view, int http_version, error_code&) override {
        status = code;
        version_ = http_version;
    }
    void on_field_impl(http::field name, string_view, string_view value, error_code&) override {
        switch (name) {
        case http::field::content_length:
            content_lengths_ += 1 + std::count(value.begin(), value.end(), ','); // "2, 2"
            break;
        case http::field::transfer_encoding:
            ++transfer_encodings_;
            unknown_coding_ = unknown_coding_ || !iequals({value.data(), value.size()}, "chunked");
            break;
        case http::field::retry_after:
            if (retry_after.empty())
                retry_after.assign(value.data(), value.size());
            break;
        case http::field::keep_alive:
            keep_alive_for = parse_keep_alive({value.data(), value.size()});
            break;
        default:
            break;
        }
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
    std::size_t on_body_impl(string_view bytes, error_code&) override { return bytes.size(); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override { return bytes.size(); }
    void on_finish_impl(error_code&) override {}

    int version_ = 0;
    std::ptrdiff_t content_lengths_ = 0; ///< in however many fields
    int transfer_encodings_ = 0;
    bool unknown_coding_ = false;
};

struct response_reader::state {
    explicit state(limits with) : allowed(with) {}

    limits allowed;
    phase now = phase::header;
    bool begun = false;
    bool reusable = false;
    int interim_responses = 0;
    std::size_t header_bytes = 0; ///< of messages whose header is complete
    std::size_t scanned = 0;      ///< of `pending`: checked byte by byte
    std::uint64_t body_left = 0;  ///< with Content-Length
    chunked_body chunks;          ///< with Transfer-Encoding: chunked
    std::string pending;          ///< received, not yet parsed
    std::string headers;
    std::string body;
    std::string_view problem;
    std::optional<parser> message;

    phase fail(std::string_view why) {
        problem = why;
        pending.clear();
        message.reset();
        return now = phase::malformed;
    }

    phase read_header();
    bool scan();
    phase parse_header(std::size_t size);
    phase read_body();
    void read_chunks();
    void keep(std::string_view bytes);
    phase finish(bool complete);
};

/// Looks at each new byte once, so that a line that can never be right fails at once instead of at the deadline.
/// False: malformed.
bool response_reader::state::scan() {
    for (; scanned < pending.size(); ++scanned) {
        char const c = pending[scanned];
        if (scanned < status_line_start.size() && c != status_line_start[scanned]) {
            fail(not_http);
            return false;
        }
        bool const after_cr = scanned > 0 && pending[scanned - 1] == '\r';
        if (c == '\0' || (c == '\n') != after_cr) {
            fail(bad_header);
            return false;
        }
        if (c == '\n' && scanned + 1 >= header_end.size() &&
            std::string_view(pending).substr(scanned + 1 - header_end.size(), header_end.size()) == header_end) {
            ++scanned;
            return true;
        }
    }
    return true;
}

response_reader::phase response_reader::state::read_header() {
    while (now == phase::header && !pending.empty()) {
        if (!scan())
            return now;
        bool const complete =
            scanned >= header_end.size() &&
            std::string_view(pending).substr(scanned - header_end.size(), header_end.size()) == header_end;
        if (header_bytes + scanned > allowed.header_bytes_max)
            return fail(too_large_header);
        if (!complete)
            return now;
        parse_header(scanned);
    }
    return now;
}

response_reader::phase response_reader::state::parse_header(std::size_t size) {
    // "HTTP/1.1 200" without the space that the empty reason phrase should leave: common, harmless, refused by Beast.
    constexpr std::size_t after_status = std::string_view("HTTP/1.1 200").size();
    if (size > after_status && pending[after_status] == '\r') {
        pending.insert(after_status, 1, ' ');
        ++size;
    }
    message.emplace();
    error_code ec;
    auto const used = message->put(asio::buffer(pending.data(), size), ec);
    if (ec || used != size || !message->is_header_done())
        return fail(ec == http::error::bad_transfer_encoding || ec == http::error::bad_content_length ||
                            ec == http::error::multiple_content_length
                        ? bad_framing
                        : bad_header);
    if (message->status < 100)
        return fail(not_http);
    if (!message->framing_is_clear())
        return fail(bad_framing);

    header_bytes += size;
    auto const block = std::string_view(pending).substr(0, size);
    auto const fields = block.substr(block.find("\r\n") + 2);
    bool const interim = message->status < 200 && message->status != 101;
    if (interim) {
        if (++interim_responses > interim_responses_max)
            return fail(too_many_interim);
        pending.erase(0, size);
        scanned = 0;
        message.reset();
        return now;
    }
    headers = fields.substr(0, fields.size() - 2);
    pending.erase(0, size);
    scanned = 0;
    now = phase::body;
    if (message->status == 101)
        return finish(false); // another protocol follows, which nobody asked for
    body_left = message->content_length().value_or(0);
    return message->is_done() ? finish(true) : now;
}

response_reader::phase response_reader::state::read_body() {
    bool complete = false;
    bool broken = false;
    if (message->chunked()) {
        read_chunks();
        complete = chunks.at() == chunked_body::status::complete;
        broken = chunks.at() == chunked_body::status::broken || chunks.framing_bytes() > framing_bytes_max;
    } else if (message->need_eof()) {
        keep(pending);
        pending.clear();
    } else {
        auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left, pending.size()));
        keep(std::string_view(pending).substr(0, n));
        pending.erase(0, n);
        body_left -= n;
        complete = body_left == 0;
    }
    if (complete)
        return finish(true);
    return broken || body.size() >= allowed.body_bytes_max ? finish(false) : now;
}

void response_reader::state::read_chunks() {
    std::string_view rest = pending;
    while (!rest.empty() && chunks.at() == chunked_body::status::wants_more) {
        auto const step = chunks.read(rest);
        keep(step.data);
        rest.remove_prefix(step.used);
    }
    pending.erase(0, pending.size() - rest.size());
}

void response_reader::state::keep(std::string_view bytes) {
    body.append(bytes.substr(0, allowed.body_bytes_max - body.size()));
}

response_reader::phase response_reader::state::finish(bool complete) {
    reusable = complete && pending.empty() && !message->need_eof() && message->keep_alive();
    pending.clear();
    return now = phase::finished;
}

response_reader::response_reader(limits with) : state_(std::make_unique<state>(with)) {}
response_reader::~response_reader() = default;
response_reader::response_reader(response_reader&&) noexcept = default;
response_reader& response_reader::operator=(response_reader&&) noexcept = default;

response_reader::phase response_reader::feed(std::string_view bytes) {
    auto& s = *state_;
    if (bytes.empty())
        return s.now;
    s.begun = true;
    if (!wants_more()) {
        s.reusable = false; // bytes that no request asked for
        return s.now;
    }
    s.pending.append(bytes);
    if (s.now == phase::header)
        s.read_header();
    if (s.now == phase::body)
        s.read_body();
    return s.now;
}

response_reader::phase response_reader::end_of_stream() {
    auto& s = *state_;
    s.reusable = false;
    if (s.now == phase::header)
        return s.now = phase::cut_off;
    if (s.now == phase::body)
        return s.finish(false);
    return s.now;
}

response_reader::phase response_reader::at() const { return state_->now; }
bool response_reader::begun() const { return state_->begun; }
int response_reader::status() const { return has_verdict() ? state_->message->status : 0; }
std::string response_reader::take_headers() { return std::move(state_->headers); }
std::string response_reader::take_body() { return std::move(state_->body); }
std::string_view response_reader::retry_after() const {
    return has_verdict() ? std::string_view(state_->message->retry_after) : std::string_view();
}
bool response_reader::reusable() const { return state_->reusable; }
std::optional<std::chrono::seconds> response_reader::keep_alive_timeout() const {
    return has_verdict() ? state_->message->keep_alive_for : std::nullopt;
}
std::string_view response_reader::problem() const { return state_->problem; }

} // namespace klen::webhooks::egress
