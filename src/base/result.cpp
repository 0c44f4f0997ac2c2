#include "klen/webhooks/base/result.hpp"

namespace klen::webhooks {

std::string_view to_string(fault what) {
    switch (what) {
    case fault::invalid_argument:
        return "invalid_argument";
    case fault::not_found:
        return "not_found";
    case fault::conflict:
        return "conflict";
    case fault::too_large:
        return "too_large";
    case fault::overloaded:
        return "overloaded";
    case fault::over_limit:
        return "over_limit";
    case fault::connection_lost:
        return "connection_lost";
    case fault::database_refused:
        return "database_refused";
    case fault::database_busy:
        return "database_busy";
    case fault::shutting_down:
        return "shutting_down";
    case fault::lease_lost:
        return "lease_lost";
    case fault::io:
        return "io";
    case fault::unanswered:
        return "unanswered";
    case fault::corrupt:
        return "corrupt";
    }
    return "unknown";
}

} // namespace klen::webhooks
