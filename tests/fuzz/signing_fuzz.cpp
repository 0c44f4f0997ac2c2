// Hostile secrets, keys, headers and sealed values. The first byte chooses the parser.
#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/signing/api_key.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/signing/signer.hpp"

#include <cstdlib>

namespace {

using namespace klen::webhooks;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void check_secret(std::string_view text) {
    auto const parsed = signing::secret::parse(text);
    if (parsed)
        require(parsed->text() == text && text == "whsec_" + base64_encode(parsed->key()));
    else
        require(parsed.error().message.size() < 100);
}

void check_api_key(std::string_view text) {
    require(signing::api_key_hint(text).size() < 20);
    if (auto const hash = signing::hash_api_key(text))
        require(*hash == signing::sha256(text));
}

/// Header values of a delivery that nobody signed: id, timestamp and signature in lines, then the body.
void check_headers(std::string_view text) {
    static signing::secret const with = signing::secret::generate();
    auto const line = [&text] {
        auto const end = text.find('\n');
        auto const out = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        return out;
    };
    auto const id = line();
    auto const timestamp = line();
    auto const signature = line();
    auto const now = std::chrono::system_clock::time_point(std::chrono::seconds(1'772'443'121));
    require(!signing::verify_klen(with, signature, text));
    require(!signing::verify_standard_webhooks(with, id, timestamp, signature, text, now));
}

void check_sealed(std::string_view text) {
    static signing::sealer const with = signing::sealer::create(signing::generate_master_key(), "k1").value();
    signing::sealer::place const where{"webhook_secrets", {}, text.substr(0, 8)};
    require(!with.open({text.begin(), text.end()}, "k1", where).has_value());
    auto const sealed = with.seal(text, where);
    require(with.open(sealed, "k1", where).value() == text);
    require(!signing::sealer::create(text, text).has_value() || base64_decode(text).has_value());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size == 0)
        return 0;
    std::string_view const text(reinterpret_cast<char const*>(data) + 1, size - 1);
    switch (data[0]) {
    case 's':
        check_secret(text);
        break;
    case 'a':
        check_api_key(text);
        break;
    case 'h':
        check_headers(text);
        break;
    default:
        check_sealed(text);
    }
    return 0;
}
