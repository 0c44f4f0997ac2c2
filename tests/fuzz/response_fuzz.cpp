// Hostile responses. The first byte says how large the pieces are in which the rest arrives.
#include "egress/response_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using klen::webhooks::egress::response_reader;

void require(bool holds) {
    if (!holds)
        std::abort();
}

constexpr response_reader::limits limits{2048, 512};

response_reader read(std::string_view bytes, std::size_t piece) {
    response_reader out(limits);
    while (!bytes.empty() && out.wants_more()) {
        auto const n = std::min(piece, bytes.size());
        out.feed(bytes.substr(0, n));
        bytes.remove_prefix(n);
    }
    if (out.wants_more())
        out.end_of_stream();
    return out;
}

/// How often a header tells a length, whatever the reader made of it.
std::size_t lengths_told(std::string_view header) {
    std::string lower(header);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    constexpr std::string_view name = "content-length:";
    std::size_t out = 0;
    for (std::string_view rest = lower; !rest.empty();) {
        auto const line = rest.substr(0, rest.find('\n') + 1); // each line ends with one
        rest.remove_prefix(line.empty() ? rest.size() : line.size());
        if (line.starts_with(name))
            out += 1 + static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size == 0)
        return 0;
    std::string_view const bytes(reinterpret_cast<char const*>(data) + 1, size - 1);
    auto whole = read(bytes, size);
    auto in_pieces = read(bytes, 1 + data[0] % 32);

    using phase = response_reader::phase;
    for (auto* const r : {&whole, &in_pieces}) {
        require(!r->wants_more());
        require(r->has_verdict() == (r->at() == phase::finished));
        require(r->has_verdict() == (r->status() >= 101));
        require((r->at() == phase::malformed) == !r->problem().empty());
        require(!r->reusable() || r->has_verdict());
    }
    // How the bytes are cut up makes no difference to the verdict.
    require(whole.at() == in_pieces.at() && whole.status() == in_pieces.status());
    require(whole.retry_after() == in_pieces.retry_after());
    auto const headers = whole.take_headers();
    require(headers == in_pieces.take_headers());
    require(lengths_told(headers) <= 1);
    require(whole.take_body().size() <= limits.body_bytes_max && in_pieces.take_body().size() <= limits.body_bytes_max);
    return 0;
}
