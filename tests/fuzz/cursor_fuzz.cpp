// Cursors, as callers bring them: one text for each id, and one id for each text that is taken.
#include "api/cursor.hpp"
#include "fuzz/require.hpp"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace klen::webhooks;
    std::string const text(reinterpret_cast<char const*>(data), size);
    if (auto const id = api::parse_cursor(text))
        require(api::cursor_after(*id) == text);
    uuid any;
    std::copy_n(data, std::min(size, any.bytes.size()), any.bytes.begin());
    auto const cursor = api::cursor_after(any);
    require(api::parse_cursor(cursor) == any);
    // One that was changed on the way names nothing, or something else.
    if (size > 0 && !cursor.empty()) {
        auto changed = cursor;
        changed[data[0] % changed.size()] = static_cast<char>(data[size - 1]);
        auto const other = api::parse_cursor(changed);
        require(!other || changed == cursor || *other != any);
    }
    api::request what;
    what.query = {{"cursor", text}, {"limit", text.substr(0, 3)}};
    auto const slice = api::slice_of_request(what);
    if (auto const* good = std::get_if<api::slice_request>(&slice))
        require(good->limit >= 1 && good->limit <= 200 && good->after.has_value());
    // And those of attempts, which hold a number.
    if (size >= 4) {
        int const number = 1 + (data[0] | data[1] << 8 | data[2] << 16);
        what.query = {{"cursor", api::cursor_before(number)}};
        auto const attempts = api::attempts_of_request(what);
        auto const* filter = std::get_if<store::attempts_filter>(&attempts);
        require(filter != nullptr && filter->before == number);
    }
    return 0;
}
