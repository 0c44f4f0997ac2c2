#pragma once

#include "base/setting.hpp"

namespace klen::webhooks::settings {

/// What a text has to look like: in words for people, and as a check.
struct form_of_text {
    std::string words;
    text_check check;
};

form_of_text any_text(std::size_t bytes_max);
form_of_text ip_address();
form_of_text cidr();        ///< "10.0.0.0/8", without bits after the prefix
form_of_text name_server(); ///< an address, or address:port; "[2001:db8::1]:53"
form_of_text database_url();
form_of_text user_name();
form_of_text event_type();
form_of_text header_prefix();
form_of_text header_value(std::size_t bytes_max);
form_of_text base64_of_32_bytes();
form_of_text key_id();
form_of_text account_id();
form_of_text named_master_key(); ///< "k1:<base64 of 32 bytes>"
/// The same, or nothing at all.
form_of_text or_empty(form_of_text form);

/// Two settings that do not go together, each right for itself.
struct contradiction {
    std::string key;   ///< the one to change, most likely
    std::string other; ///< the one it contradicts
    std::string message;
};
std::vector<contradiction> contradictions(config const& c);

} // namespace klen::webhooks::settings
