#pragma once

#include "klen/webhooks/signing/signer.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace klen::webhooks::dispatch {

/// What the header lines of one attempt are made of.
struct header_values {
    std::string_view delivery_id;
    std::string_view event_type;
    std::int64_t unix_seconds = 0;
    int attempt = 1;
    std::string_view traceparent; ///< empty: none
    signing::signatures const* signed_as = nullptr;
};

/// The header lines of a webhook's requests, in the contract's order, each ended by CRLF; Host and Content-Length are
/// the client's. What does not change from attempt to attempt is made once.
class header_template {
  public:
    /// `prefix`: "X-Klen-". Custom headers that name a reserved one are left out (they are refused on create already).
    header_template(std::string_view prefix, std::string_view user_agent,
                    std::span<std::pair<std::string, std::string> const> custom);

    void append(std::string& out, header_values const& values) const;

  private:
    std::string signature_name_, delivery_name_, event_name_, timestamp_name_, attempt_name_;
    std::string fixed_; ///< Content-Type, User-Agent
    std::string custom_;
};

/// May a customer set this header? False for the reserved ones: those we write, Host, Content-*, Transfer-Encoding,
/// Connection and the other hop-by-hop fields (RFC 9110 §7.6.1), with any case.
bool is_reserved_header(std::string_view name, std::string_view prefix);

} // namespace klen::webhooks::dispatch
