// From what a publisher sends to what receivers get: another parser must find the same meaning in both, and what is
// published again must come out as the same bytes.
#include "fuzz/require.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace {

using namespace klen::webhooks;
namespace json = boost::json;

constexpr event::json_limits limits{64};

std::optional<json::value> parse(std::string_view text) {
    json::parse_options how;
    how.max_depth = 80;
    boost::system::error_code ec;
    auto out = json::parse(json::string_view(text.data(), text.size()), ec, {}, how);
    return ec ? std::nullopt : std::optional(std::move(out));
}

double number(json::value const& v) {
    return v.is_double()  ? v.get_double()
           : v.is_int64() ? static_cast<double>(v.get_int64())
                          : static_cast<double>(v.get_uint64());
}

/// Boost.JSON 1.81 is no judge of digits: it is off by an ulp now and then, by more near zero, and makes 0e400 no
/// number at all. That digits are kept is for Node.js to say (tests/event/node_corpus_test.cpp).
bool same_number(double a, double b) {
    if (!std::isfinite(a) || !std::isfinite(b))
        return true;
    return std::abs(a - b) <= 1e-290 + 1e-9 * std::max(std::abs(a), std::abs(b));
}

bool same(json::value const& a, json::value const& b) {
    if (a.is_number() && b.is_number())
        return same_number(number(a), number(b));
    if (a.kind() != b.kind())
        return false;
    if (auto const* array = a.if_array()) {
        auto const& other = b.get_array();
        if (array->size() != other.size())
            return false;
        for (std::size_t i = 0; i < array->size(); ++i)
            if (!same((*array)[i], other[i]))
                return false;
        return true;
    }
    if (auto const* object = a.if_object()) {
        auto const& other = b.get_object();
        if (object->size() != other.size())
            return false;
        auto at = other.begin();
        for (auto const& member : *object) { // in the same order
            if (member.key() != at->key() || !same(member.value(), at->value()))
                return false;
            ++at;
        }
        return true;
    }
    return a == b;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    auto const read = event::parse_publish_request(text, limits);
    auto const* request = std::get_if<event::publish_request>(&read);
    if (request == nullptr || request->payload.empty())
        return 0;
    std::string const type = "call.ended";
    std::string const body = event::make_body(type, request->payload, "2026-01-01T00:00:00Z");

    // As another parser reads it: the type first, what was published in its order, the time last.
    auto const given = parse(text);
    auto const got = parse(body);
    if (given && got) { // Boost.JSON refuses numbers that are too large
        auto const& published = given->as_object().at("payload").as_object();
        auto const& members = got->as_object();
        require(members.size() == published.size() + 2);
        require(members.begin()->key() == "event_type" && members.begin()->value() == json::value("call.ended"));
        auto at = members.begin();
        for (auto const& member : published) {
            ++at;
            require(at->key() == member.key() && same(at->value(), member.value()));
        }
        ++at;
        require(at->key() == "timestamp");
    }

    // Published again, as it came out, it is the same bytes.
    std::string const republished = "{\"payload\":" + request->payload + "}";
    auto const second = event::parse_publish_request(republished, limits);
    auto const* again = std::get_if<event::publish_request>(&second);
    require(again != nullptr && again->payload == request->payload);
    require(event::make_body(type, again->payload, "2026-01-01T00:00:00Z") == body);
    std::string canonical;
    require(!event::canonical_json(body, {limits.depth_max + 1}, canonical) && canonical == body);
    return 0;
}
