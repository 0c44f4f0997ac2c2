// Hostile responses, cut at any points and ended anywhere: what matters is what came, not when. Before a NUL come the
// sizes of the pieces, used in turn; behind it the response.
#include "egress/response_reader.hpp"
#include "fuzz/require.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace {

using klen::webhooks::egress::response_reader;
using phase = response_reader::phase;

constexpr response_reader::limits limits{2048, 512};

/// What an attempt makes of it.
struct verdict {
    phase at = phase::header;
    int status = 0;
    bool reusable = false;
    std::string headers;
    std::string retry_after;
    std::string body;

    /// Bytes of the body that came behind its end, or before it is known to end, may be kept in one case and not in
    /// the other: what is kept is a beginning.
    bool same_as(verdict const& other) const {
        auto const shorter = std::min(body.size(), other.body.size());
        return at == other.at && status == other.status && headers == other.headers &&
               retry_after == other.retry_after && body.substr(0, shorter) == other.body.substr(0, shorter);
    }
};

verdict take(response_reader& reader) {
    verdict out;
    out.at = reader.at();
    out.status = reader.status();
    out.reusable = reader.reusable();
    out.retry_after = std::string(reader.retry_after());
    out.headers = reader.take_headers();
    out.body = reader.take_body();
    require(out.body.size() <= limits.body_bytes_max && out.headers.size() <= limits.header_bytes_max);
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const input(reinterpret_cast<char const*>(data), size);
    auto const sizes = input.substr(0, input.find('\0'));
    auto const bytes = input.substr(std::min(sizes.size() + 1, input.size()));

    response_reader at_once(limits);
    at_once.feed(bytes);
    if (at_once.wants_more())
        at_once.end_of_stream();
    auto const expected = take(at_once);

    response_reader pieces(limits);
    std::size_t fed = 0;
    int status = 0;
    for (std::size_t i = 0; fed < bytes.size() && pieces.wants_more(); ++i) {
        std::size_t const n = sizes.empty() ? 1 : static_cast<unsigned char>(sizes[i % sizes.size()]);
        auto const piece = bytes.substr(fed, std::min(std::max<std::size_t>(n, 1), bytes.size() - fed));
        pieces.feed(piece);
        fed += piece.size();
        require(pieces.begun());
        // A verdict stands, whatever comes behind it.
        require(status == 0 || pieces.status() == status);
        status = pieces.status();
        // The connection is used again only when nothing is left over.
        require(!pieces.reusable() || pieces.at() == phase::finished);
    }
    bool const all_fed = fed == bytes.size();
    if (pieces.wants_more())
        pieces.end_of_stream();
    else if (!all_fed) {
        pieces.feed(bytes.substr(fed)); // nobody asked for that
        require(!pieces.reusable());
    }
    auto const got = take(pieces);
    require(got.same_as(expected));
    require(!all_fed || !got.reusable || expected.reusable);
    return 0;
}
