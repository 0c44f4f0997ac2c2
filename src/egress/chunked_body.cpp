#include "egress/chunked_body.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <limits>

namespace klen::webhooks::egress {

chunked_body::step chunked_body::read(std::string_view input) {
    step out;
    while (out.used < input.size() && at() == status::wants_more) {
        if (state_ == state::data) {
            auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - out.used));
            out.data = input.substr(out.used, n);
            out.used += n;
            left_ -= n;
            if (left_ == 0)
                state_ = state::data_cr;
            return out;
        }
        state_ = after(input[out.used]);
        ++out.used;
        ++framing_bytes_;
    }
    return out;
}

/// The state that one byte of framing leads to.
chunked_body::state chunked_body::after(char c) {
    auto const expect = [c](char wanted, state next) { return c == wanted ? next : state::broken; };
    switch (state_) {
    case state::size_start:
        left_ = 0;
        [[fallthrough]];
    case state::size:
        if (int const digit = hex_value(c); digit != -1) {
            if (left_ > std::numeric_limits<std::uint64_t>::max() >> 4)
                return state::broken;
            left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
            return state::size;
        }
        if (state_ == state::size_start)
            return state::broken;
        if (c == ';' || c == ' ' || c == '\t')
            return state::extension;
        return expect('\r', state::size_lf);
    case state::extension:
        if (c == '\r')
            return state::size_lf;
        return c == '\n' || c == '\0' ? state::broken : state::extension;
    case state::size_lf:
        return expect('\n', left_ == 0 ? state::trailer_start : state::data);
    case state::data_cr:
        return expect('\r', state::data_lf);
    case state::data_lf:
        return expect('\n', state::size_start);
    case state::trailer_start:
        if (c == '\r')
            return state::end_lf;
        [[fallthrough]];
    case state::trailer:
        if (c == '\r')
            return state::trailer_lf;
        return c == '\n' || c == '\0' ? state::broken : state::trailer;
    case state::trailer_lf:
        return expect('\n', state::trailer_start);
    case state::end_lf:
        return expect('\n', state::done);
    case state::data:
    case state::done:
    case state::broken:
        break;
    }
    return state::broken;
}

} // namespace klen::webhooks::egress
