#pragma once

#include "klen/webhooks/api/server.hpp"

#include <ctime>
#include <string>
#include <string_view>

namespace klen::webhooks::api {

/// "Accepted"; empty for a status that we never send.
std::string_view reason_phrase(int status);

/// The value of the Date field (RFC 9110 §5.6.7), made once a second. Not thread-safe: one per io thread.
class date_line {
  public:
    std::string_view at(std::time_t now);

  private:
    std::time_t made_for_ = -1;
    std::string text_;
};

struct head_options {
    std::string_view date;
    std::string_view request_id;
    bool http_1_0 = false;
    bool keep_alive = true;
};

/// Status line and header lines, the empty line included. A name or value that could end a line is left out: a
/// handler's mistake must not split a response.
void append_response_head(std::string& out, response const& what, head_options const& how);

} // namespace klen::webhooks::api
