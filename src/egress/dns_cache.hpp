#pragma once

#include "egress/recent_map.hpp"
#include "egress/resolver.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::egress {

/// What name servers said about names, each for its time. No such name, and no answer, count as entries like any
/// other; the name that was asked for longest ago makes room. Has no clock. Not thread-safe.
class dns_cache {
  public:
    explicit dns_cache(std::size_t names_max) : names_(names_max) {}

    std::optional<resolution> find(std::string_view name, steady_time now) {
        auto const* const kept = names_.find(name);
        if (kept == nullptr)
            return std::nullopt;
        if (now < kept->until)
            return kept->answer;
        names_.erase(name);
        return std::nullopt;
    }
    void put(std::string_view name, resolution answer, steady_time until) {
        names_.renew(name) = {std::move(answer), until};
    }
    std::size_t size() const { return names_.size(); }

  private:
    struct cached {
        resolution answer;
        steady_time until{};
    };
    recent_map<cached> names_;
};

} // namespace klen::webhooks::egress
