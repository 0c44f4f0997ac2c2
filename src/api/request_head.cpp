#include "request_head.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>

namespace klen::webhooks::api {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

template <class View>
std::string_view std_view(View text) {
    return {text.data(), text.size()};
}

/// Takes Beast's grammar, and keeps views instead of its container of fields (an allocation per field).
class head_parser final : public http::basic_parser<true> {
  public:
    explicit head_parser(request_head& out) : out_(out) {}

  private:
    using string_view = boost::beast::string_view;

    void on_request_impl(http::verb, string_view method, string_view target, int version, error_code&) override {
        out_.method = std_view(method);
        out_.target = std_view(target);
        out_.version = version;
    }
    void on_field_impl(http::field, string_view name, string_view value, error_code& ec) override {
        if (out_.fields.size() == header_fields_max)
            ec = http::error::header_limit;
        else
            out_.fields.push_back({std_view(name), std_view(value)});
    }
    void on_header_impl(error_code&) override {}
    void on_finish_impl(error_code&) override {}

    // Never called: the body is framed by us (see request_guard.hpp for why).
    void on_response_impl(int, string_view, int, error_code&) override {}
    void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return body.size(); }

    request_head& out_;
};

} // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::string_view> request_head::find(std::string_view name) const {
    for (auto const& field : fields)
        if (equals_ignoring_case(field.name, name))
            return field.value;
    return std::nullopt;
}

std::size_t request_head::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(fields, [&](auto const& field) { return equals_ignoring_case(field.name, name); }));
}

head_scanner::outcome head_scanner::scan(std::string_view received) {
    for (;;) {
        auto const feed = received.find('\n', scanned_);
        if (feed == std::string_view::npos) {
            scanned_ = received.size();
            return outcome::need_more;
        }
        scanned_ = feed + 1;
        if (feed == 0 || received[feed - 1] != '\r')
            return outcome::bare_line_feed;
        if (feed >= 3 && received[feed - 2] == '\n' && received[feed - 3] == '\r')
            return outcome::complete;
    }
}

std::optional<std::string> parse_request_head(std::string_view head, request_head& out) {
    out.fields.clear();
    head_parser parser(out);
    parser.skip(true); // Beast's view of the body does not matter
    parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
    parser.body_limit(boost::none);
    error_code ec;
    std::size_t const used = parser.put(boost::asio::const_buffer(head.data(), head.size()), ec);
    if (ec == http::error::header_limit)
        return "more than " + std::to_string(header_fields_max) + " header fields";
    if (ec)
        return ec.message();
    if (used != head.size() || !parser.is_done())
        return "incomplete head";
    return std::nullopt;
}

} // namespace klen::webhooks::api
