#pragma once

#include "app/listen/delivery_check.hpp"
#include "klen/webhooks/base/clock.hpp"

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace klen::webhooks::app::listen {

/// What became of one request.
struct answer {
    int status = 0;   ///< 0: none was given
    std::string note; ///< "left hanging", "connection reset"; empty: answered
};

/// Shows deliveries: to people, or one JSON object a line to programs. Whatever came from outside is made safe for a
/// terminal first.
class delivery_printer {
  public:
    struct style {
        bool json = false;
        bool utf8 = false; ///< marks as ✓ and ✗ instead of words
        bool colour = false;
        std::size_t body_lines_max = 40;
    };
    delivery_printer(std::ostream& out, style how) : out_(out), how_(how) {}

    void listening(std::string_view url, std::size_t secrets);
    void delivery(wall_time at, delivery_check const& found, std::string_view body, answer const& given);
    void summary(std::size_t received, std::size_t verified, std::size_t refused);

    /// Does the environment's locale take UTF-8?
    static bool locale_is_utf8();

  private:
    void delivery_for_people(wall_time at, delivery_check const& found, std::string_view body, answer const& given);
    void delivery_as_json(wall_time at, delivery_check const& found, std::string_view body, answer const& given);
    std::string mark(delivery_check const& found, bool good) const;
    std::string paint(std::string_view code, std::string_view text) const;

    std::ostream& out_;
    style how_;
};

} // namespace klen::webhooks::app::listen
