#include "router.hpp"

#include "klen/webhooks/base/log.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

constexpr std::array<std::pair<std::string_view, method>, 7> method_names = {{
    {"GET", method::get},
    {"HEAD", method::head},
    {"POST", method::post},
    {"PUT", method::put},
    {"PATCH", method::patch},
    {"DELETE", method::delete_},
    {"OPTIONS", method::options},
}};

std::string_view first_segment(std::string_view& rest) {
    rest.remove_prefix(1); // the slash
    auto const out = rest.substr(0, rest.find('/'));
    rest.remove_prefix(out.size());
    return out;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }

} // namespace

method parse_method(std::string_view text) {
    for (auto const& [name, verb] : method_names)
        if (name == text)
            return verb;
    return method::other;
}

std::string_view to_string(method verb) {
    for (auto const& [name, known] : method_names)
        if (known == verb)
            return name;
    return "other";
}

router::router(std::vector<route> routes) {
    allow_anywhere_ = allow_of(routes);
    std::map<std::string, endpoint> by_pattern;
    for (auto& r : routes) {
        auto& where = by_pattern[r.path];
        if (!r.path.starts_with('/') || !r.handle || where.handler_of(r.verb) != nullptr)
            bug("a route cannot be used", {{"http.route", r.path}, {"http.request.method", to_string(r.verb)}});
        where.pattern = r.path;
        where.routes.push_back(std::move(r));
    }
    for (auto& [pattern, where] : by_pattern) {
        where.allow = allow_of(where.routes);
        if (pattern.find('{') == std::string::npos) {
            exact_.emplace(pattern, std::move(where));
            continue;
        }
        for (std::string_view rest = where.pattern; !rest.empty();)
            where.segments.emplace_back(first_segment(rest));
        with_parameters_.push_back(std::move(where));
    }
}

/// OPTIONS is answered everywhere, and HEAD where GET is.
std::string router::allow_of(std::vector<route> const& routes) {
    auto const has = [&](method verb) {
        return std::ranges::any_of(routes, [&](route const& r) { return r.verb == verb && !r.refuses; });
    };
    std::string out;
    for (auto const& [name, verb] : method_names)
        if (verb != method::options && (has(verb) || (verb == method::head && has(method::get))))
            out.append(name).append(", ");
    return out + "OPTIONS";
}

route const* router::endpoint::handler_of(method verb) const {
    auto const found = std::ranges::find(routes, verb, &route::verb);
    return found == routes.end() ? nullptr : &*found;
}

std::optional<router::match> router::find(method verb, std::string_view path) const {
    if (auto const found = exact_.find(path); found != exact_.end())
        return matched(found->second, verb);
    if (!path.starts_with('/'))
        return std::nullopt;
    for (auto const& candidate : with_parameters_) {
        if (auto parameters = capture(candidate, path)) {
            auto out = matched(candidate, verb);
            out.parameters = *std::move(parameters);
            return out;
        }
    }
    return std::nullopt;
}

router::match router::matched(endpoint const& with, method verb) {
    route const* handler = with.handler_of(verb);
    if (handler == nullptr && verb == method::head)
        handler = with.handler_of(method::get);
    return {handler, with.pattern, with.allow, {}};
}

std::optional<std::map<std::string, std::string, std::less<>>> router::capture(endpoint const& with,
                                                                               std::string_view path) {
    std::map<std::string, std::string, std::less<>> out;
    for (std::string const& wanted : with.segments) {
        if (path.empty())
            return std::nullopt;
        auto const segment = first_segment(path);
        if (is_parameter(wanted)) {
            if (segment.empty())
                return std::nullopt;
            out.emplace(wanted.substr(1, wanted.size() - 2), segment);
        } else if (segment != wanted) {
            return std::nullopt;
        }
    }
    return path.empty() ? std::optional(std::move(out)) : std::nullopt;
}

} // namespace klen::webhooks::api
