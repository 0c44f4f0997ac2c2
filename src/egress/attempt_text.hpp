#pragma once

#include "egress/resolver.hpp"
#include "egress/response_reader.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <string>
#include <string_view>

/// Puts what went wrong into the attempt's class and into words for the developer at the other end. Nothing in them
/// comes from inside this network: no name server, no address but the one that the customer's own name leads to.
namespace klen::webhooks::egress {

/// A failure of this machine, not of the receiver.
bool is_local_failure(boost::system::error_code const& ec);
/// One of those that a connection less would have prevented.
bool no_descriptor(boost::system::error_code const& ec);

/// "192.0.2.1:443", "[2001:db8::1]:443"
std::string text_of(boost::asio::ip::tcp::endpoint const& endpoint);

policy::attempt_result local_failure(std::string_view what);
/// One text for every refused range, so that nobody can map a network by it.
policy::attempt_result address_not_allowed();
/// Of an address that is allowed, but for a port where something of ours listens.
policy::attempt_result endpoint_not_allowed();
policy::attempt_result not_resolved(resolution const& answer, std::string_view host);
policy::attempt_result not_connected(boost::system::error_code const& ec, bool timed_out,
                                     boost::asio::ip::tcp::endpoint const& to);
policy::attempt_result no_handshake(boost::system::error_code const& ec, bool timed_out, std::string const& reason);
/// `reader` has a verdict.
policy::attempt_result answered(response_reader& reader);
/// `reader` has none. `ec` is why reading ended.
policy::attempt_result not_answered(response_reader const& reader, boost::system::error_code const& ec, bool timed_out);

} // namespace klen::webhooks::egress
