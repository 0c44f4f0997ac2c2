#include "klen/webhooks/egress/url.hpp"

#include <boost/asio/ip/address_v6.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

namespace klen::webhooks::egress {

namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t url_bytes_max = 2048;
constexpr std::size_t host_bytes_max = 253;
constexpr std::size_t label_bytes_max = 63;
constexpr std::uint16_t https_port = 443;
constexpr std::uint16_t http_port = 80;

// Services that take commands from whoever connects, or that answer a stray POST with harm: what browsers refuse to
// fetch from (WHATWG Fetch, "bad port"), and the usual databases, caches, brokers and control planes.
constexpr std::array<std::uint16_t, 119> service_ports{
    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,    37,    42,    43,    53,
    69,   77,   79,   87,   95,   101,  102,  103,  104,  109,  110,  111,  113,   115,   117,   119,   123,
    135,  137,  138,  139,  143,  161,  162,  179,  389,  427,  445,  465,  512,   513,   514,   515,   526,
    530,  531,  532,  540,  548,  554,  556,  563,  587,  601,  623,  636,  873,   989,   990,   993,   995,
    1080, 1099, 1194, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2375, 2376,  2379,  2380,  3128,  3260,
    3268, 3269, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 5900, 5984,  5985,  5986,  6000,  6379,
    6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9200, 10080, 10250, 11211, 27017, 50070};
static_assert(std::is_sorted(service_ports.begin(), service_ports.end()));

failure refuse(std::string why) { return {fault::invalid_argument, "url: " + std::move(why)}; }

failure wrong_scheme(url_policy const& policy) {
    return refuse(policy.allow_http ? "must begin with https:// or http://" : "must begin with https://");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
void lower(std::string& text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
}

std::optional<failure> check_bytes(std::string_view url) {
    if (url.empty())
        return refuse("must not be empty; write something like https://example.com/webhooks");
    if (url.size() > url_bytes_max)
        return refuse("must not be longer than " + std::to_string(url_bytes_max) + " bytes");
    for (char c : url) {
        auto const u = static_cast<unsigned char>(c);
        if (u < 0x20 || u == 0x7f)
            return refuse("must not contain control characters or line breaks");
        if (c == ' ')
            return refuse("must not contain spaces; write %20 in the path or query");
        if (c == '\\')
            return refuse("must not contain a backslash; write / between the parts");
    }
    return std::nullopt;
}

/// IDNA 2008 lookup with UTS 46 mapping, as browsers do it. Without IDN2_USE_STD3_ASCII_RULES: libidn2 2.3.3 then drops
/// what these rules forbid ("example.com\uff0fevil" becomes "example.comevil") instead of failing. What is not a
/// letter, a digit, a hyphen or a dot is refused here.
std::optional<std::string> to_a_labels(std::string const& host) {
    std::uint8_t* raw = nullptr;
    int const rc = idn2_lookup_u8(reinterpret_cast<std::uint8_t const*>(host.c_str()), &raw,
                                  IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    std::unique_ptr<std::uint8_t, void (*)(void*)> const owned(raw, idn2_free);
    if (rc != IDN2_OK)
        return std::nullopt;
    std::string out(reinterpret_cast<char const*>(owned.get()));
    bool const is_name =
        std::all_of(out.begin(), out.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; });
    return is_name ? std::optional(std::move(out)) : std::nullopt;
}

/// Boost.URL knows ASCII only, so a host in another script is put into A-labels before it parses. What stands there
/// afterwards is judged like any other text: a character that maps to a digit or a dot gains nothing.
result<std::string> with_ascii_host(std::string_view url, url_policy const& policy) {
    auto const scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos)
        return wrong_scheme(policy);
    auto const host_begin = scheme_end + 3;
    auto const authority = url.substr(host_begin, url.find_first_of("/?#", host_begin) - host_begin);
    if (is_ascii(authority)) {
        if (!is_ascii(url))
            return refuse("must be percent-encoded outside of the host name: the path and query may hold ASCII only");
        return std::string(url);
    }
    if (authority.find('@') != std::string_view::npos)
        return refuse("must not contain a user name or password; use the signature to authenticate requests");
    auto const host = authority.substr(0, authority.rfind(':'));
    auto const ascii = to_a_labels(std::string(host));
    if (!ascii)
        return refuse("the host is not a valid international domain name");
    auto const rest = url.substr(host_begin + host.size());
    if (!is_ascii(rest))
        return refuse("must be percent-encoded outside of the host name: the path and query may hold ASCII only");
    std::string out(url.substr(0, host_begin));
    out += *ascii;
    out += rest;
    return out;
}

bool is_number_like(std::string_view label) {
    if (std::all_of(label.begin(), label.end(), is_digit))
        return true;
    if (label.size() < 2 || label[0] != '0' || label[1] != 'x')
        return false;
    return std::all_of(label.begin() + 2, label.end(), is_hex);
}

bool is_valid_label(std::string_view label) {
    auto const letter_digit_hyphen = [](char c) { return is_letter(c) || is_digit(c) || c == '-'; };
    return !label.empty() && label.size() <= label_bytes_max && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), letter_digit_hyphen);
}

bool is_local_name(std::string_view host) {
    auto const under = [&](std::string_view parent) {
        return host == parent || (host.ends_with(parent) && host[host.size() - parent.size() - 1] == '.');
    };
    return host.find('.') == std::string_view::npos || under("localhost") || under("local") || under("internal");
}

/// `host` is in lower case and without a trailing dot.
std::optional<failure> check_name(std::string_view host, url_policy const& policy) {
    if (host.empty())
        return refuse("has no host; write something like https://example.com/webhooks");
    if (host.size() > host_bytes_max)
        return refuse("the host name is too long");
    std::string_view last;
    for (auto rest = host;;) {
        auto const dot = rest.find('.');
        last = rest.substr(0, dot);
        if (!is_valid_label(last))
            return refuse("the host name may hold letters, digits, hyphens and dots only, with at most 63 characters "
                          "between two dots, none of them empty and no hyphen at either end");
        if (dot == std::string_view::npos)
            break;
        rest.remove_prefix(dot + 1);
    }
    if (is_number_like(last))
        return refuse("an IPv4 address must be written as four decimal numbers, such as 198.51.100.7");
    if (!policy.allow_local_names && is_local_name(host))
        return refuse("the host must be a public domain name; local names are not allowed");
    return std::nullopt;
}

/// Boost.URL 1.81 ends a host that begins with an IPv4 address behind that address and takes the rest for the path:
/// "https://8.8.8.8.example.com/" would lead to 8.8.8.8. Can go with a version that does not.
bool path_is_separate(boost::urls::url_view const& parsed) {
    auto const path = parsed.encoded_path();
    return path.empty() || path.front() == '/';
}

std::optional<failure> read_host(boost::urls::url_view const& parsed, url_policy const& policy, target& out) {
    std::string host(parsed.encoded_host());
    switch (parsed.host_type()) {
    case boost::urls::host_type::ipv4:
        out.host = host;
        out.host_is_address = true;
        return std::nullopt;
    case boost::urls::host_type::ipv6: {
        boost::system::error_code ec;
        auto const address = ip::make_address_v6(host.substr(1, host.size() - 2), ec);
        if (ec || address.scope_id() != 0)
            return refuse("the IPv6 address cannot be used");
        out.host = address.to_string();
        out.host_is_address = true;
        return std::nullopt;
    }
    case boost::urls::host_type::name:
        break;
    default:
        return refuse("the host must be a domain name or an IP address");
    }
    lower(host);
    if (host.ends_with('.'))
        host.pop_back();
    if (auto wrong = check_name(host, policy))
        return wrong;
    out.host = std::move(host);
    return std::nullopt;
}

std::optional<failure> read_port(boost::urls::url_view const& parsed, url_policy const& policy, target& out) {
    out.port = out.tls ? https_port : http_port;
    if (parsed.has_port() && !parsed.port().empty()) {
        std::string const text(parsed.port());
        auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.port);
        if (error != std::errc{} || end != text.data() + text.size() || out.port == 0)
            return refuse("the port must be a number from 1 to 65535");
    }
    if (policy.any_port)
        return std::nullopt;
    auto const& allowed = policy.allowed_ports;
    bool const fine = allowed.empty() ? !std::binary_search(service_ports.begin(), service_ports.end(), out.port)
                                      : std::find(allowed.begin(), allowed.end(), out.port) != allowed.end();
    if (!fine)
        return refuse("port " + std::to_string(out.port) + " is not allowed; use 443 or another port for web servers");
    return std::nullopt;
}

std::optional<failure> read_scheme(boost::urls::url_view const& parsed, url_policy const& policy, target& out) {
    std::string scheme(parsed.scheme());
    lower(scheme);
    out.tls = scheme == "https";
    if (out.tls || (scheme == "http" && policy.allow_http))
        return std::nullopt;
    if (scheme == "http")
        return refuse("must begin with https://; plain http is not allowed here");
    return wrong_scheme(policy);
}

void normalise(target& out) {
    bool const is_v6 = out.host_is_address && out.host.find(':') != std::string::npos;
    out.host_header = is_v6 ? "[" + out.host + "]" : out.host;
    if (out.port != (out.tls ? https_port : http_port))
        out.host_header += ":" + std::to_string(out.port);
    out.url = (out.tls ? "https://" : "http://") + out.host_header + out.path_and_query;
}

} // namespace

std::string target::origin() const { return (tls ? "https://" : "http://") + host_header; }

result<target> parse_target(std::string_view url, url_policy const& policy) {
    if (auto wrong = check_bytes(url))
        return *wrong;
    auto const ascii = with_ascii_host(url, policy);
    if (!ascii)
        return ascii.error();
    auto const parsed = boost::urls::parse_uri(*ascii);
    if (!parsed)
        return refuse("is not a valid URL (RFC 3986); characters such as { } | ^ \" < > must be percent-encoded, and % "
                      "must be followed by two hexadecimal digits");

    target out;
    if (auto wrong = read_scheme(*parsed, policy, out))
        return *wrong;
    if (!parsed->has_authority())
        return refuse("must begin with https:// and a host");
    if (parsed->has_userinfo())
        return refuse("must not contain a user name or password; use the signature to authenticate requests");
    if (parsed->encoded_host().find('%') != boost::urls::string_view::npos)
        return refuse("the host must not contain %");
    if (!path_is_separate(*parsed))
        return refuse("the host must not begin with an IPv4 address unless it is one");
    if (parsed->has_fragment())
        return refuse("must not contain a fragment (#…): it is never sent");
    if (auto wrong = read_host(*parsed, policy, out))
        return *wrong;
    if (auto wrong = read_port(*parsed, policy, out))
        return *wrong;

    out.path_and_query = std::string(parsed->encoded_path());
    if (out.path_and_query.empty())
        out.path_and_query = "/";
    if (parsed->has_query())
        out.path_and_query += "?" + std::string(parsed->encoded_query());
    normalise(out);
    return out;
}

} // namespace klen::webhooks::egress
