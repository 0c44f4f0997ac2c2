#pragma once

#include "client_stream.hpp"

#include "klen/webhooks/base/result.hpp"

#include <string>

namespace klen::webhooks::api {

/// What TLS clients of a listener meet: TLS 1.2 and 1.3, forward secrecy and authenticated encryption only, HTTP/1.1,
/// sessions resumed by tickets (nothing is kept here for them), no renegotiation, no early data. Reads the PEM files
/// now. A failure names the file and what is wrong with it.
result<tls_context_ptr> make_tls_context(std::string const& certificate_file, std::string const& key_file);

/// What would be wrong with either file; empty when nothing is, or none is named. A key is compared with the
/// certificate.
struct tls_file_problems {
    std::string certificate;
    std::string key;
};
tls_file_problems try_tls_files(std::string const& certificate_file, std::string const& key_file);

} // namespace klen::webhooks::api
