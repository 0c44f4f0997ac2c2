// A gzip body as it comes from a client, framed by its length or by chunks.

#include "api/body_decoder.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace klen::webhooks::api;
using outcome = body_decoder::outcome;

void require(bool holds) {
    if (!holds)
        std::abort();
}

constexpr std::size_t body_max = 4096;
constexpr std::uint64_t budget_max = 3000; // both limits can be met

struct decoded {
    outcome what = outcome::need_more;
    std::size_t used = 0;
    std::string body;
};

decoded decode(std::string_view in, bool chunked, std::size_t step) {
    body_budget budget(budget_max, budget_max);
    body_share share(budget);
    framing frame;
    frame.chunked = chunked;
    frame.content_length = chunked ? 0 : in.size();
    body_decoder decoder({frame, content_coding::gzip, body_max}, share);
    decoded out;
    do {
        auto const got = decoder.feed(in.substr(out.used, step), out.body);
        require(got.used <= step);
        out.used += got.used;
        out.what = got.what;
    } while (out.what == outcome::need_more && out.used < in.size());
    require(out.body.size() <= std::min<std::uint64_t>(body_max, budget.taken()));
    require(chunked || out.what != outcome::need_more);
    share.release();
    require(budget.taken() == 0);
    return out;
}

/// However the bytes are cut, the outcome is the same. (How far they were read before a refusal is not.)
void check(std::string_view in, bool chunked) {
    auto const whole = decode(in, chunked, std::max<std::size_t>(in.size(), 1));
    auto const dripped = decode(in, chunked, 1);
    bool const refused = whole.what != outcome::complete && whole.what != outcome::need_more;
    if (refused) {
        require(dripped.what != outcome::complete && dripped.what != outcome::need_more);
        return;
    }
    require(whole.what == dripped.what && whole.used == dripped.used && whole.body == dripped.body);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const input(reinterpret_cast<char const*>(data), size);
    check(input, false);
    check(input, true);
    return 0;
}
