#pragma once

#include "klen/webhooks/api/server.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::api {

method parse_method(std::string_view text);
std::string_view to_string(method verb);

/// The route table: which handler answers a path, and which methods a path has. Immutable, so usable from every thread.
class router {
  public:
    /// Two routes with the same method and path, or a path without a leading slash, are a bug.
    explicit router(std::vector<route> routes);

    struct match {
        route const* handler = nullptr; ///< null: the path has no such method
        std::string_view pattern;       ///< the path as in the route table, for logs and metrics
        std::string_view allow;         ///< "GET, HEAD, OPTIONS"
        std::map<std::string, std::string, std::less<>> parameters;
    };
    /// HEAD is answered by GET's handler where there is no other. An exact path wins over one with parameters. Nothing:
    /// no such path.
    std::optional<match> find(method verb, std::string_view path) const;
    /// The methods that some path takes, as in `match::allow`.
    std::string const& allow_anywhere() const { return allow_anywhere_; }

  private:
    struct endpoint {
        std::string pattern;
        std::vector<std::string> segments; ///< of a path with parameters
        std::vector<route> routes;
        std::string allow;

        route const* handler_of(method verb) const;
    };
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using endpoint_table = std::unordered_map<std::string, endpoint, text_hash, std::equal_to<>>;

    static std::optional<std::map<std::string, std::string, std::less<>>> capture(endpoint const& with,
                                                                                  std::string_view path);
    static match matched(endpoint const& with, method verb);
    static std::string allow_of(std::vector<route> const& routes);

    endpoint_table exact_;
    std::vector<endpoint> with_parameters_;
    std::string allow_anywhere_;
};

} // namespace klen::webhooks::api
