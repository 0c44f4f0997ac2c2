// Hostile URLs. What is accepted leads where it says, under both the strictest and the most open policy.
#include "klen/webhooks/egress/url.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace klen::webhooks;

void require(bool holds) {
    if (!holds)
        std::abort();
}

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f && c != '\\'; });
}

void check(std::string_view text, egress::url_policy const& policy) {
    auto const parsed = egress::parse_target(text, policy);
    if (!parsed) {
        require(parsed.error().message.starts_with("url: ") && parsed.error().message.size() < 300);
        return;
    }
    auto const& t = *parsed;
    require(is_plain(t.url) && is_plain(t.host) && is_plain(t.path_and_query) && is_plain(t.host_header));
    require(!t.host.empty() && t.port != 0 && t.path_and_query.front() == '/');
    require(t.host.find_first_of("@/?#%") == std::string::npos);
    require(t.url == t.origin() + t.path_and_query);
    require(policy.allow_http || t.tls);
    if (!policy.allow_local_names && !t.host_is_address)
        require(t.host.find('.') != std::string::npos && !t.host.ends_with(".localhost"));
    // A host that ends in a number is an address, in the one spelling that everybody reads alike.
    if (t.host.back() >= '0' && t.host.back() <= '9' && t.host.find_first_not_of("0123456789.") == std::string::npos)
        require(t.host_is_address);
    auto const again = egress::parse_target(t.url, policy);
    require(again && again->url == t.url && again->host == t.host && again->port == t.port);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    check(text, {});
    check(text, {true, {}, true});
    return 0;
}
