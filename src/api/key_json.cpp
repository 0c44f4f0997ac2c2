#include "key_json.hpp"

namespace klen::webhooks::api {

void write_key(json_writer& out, store::api_key_row const& key) {
    out.member("id", key.id.text())
        .member("name", key.name)
        .member("hint", key.hint)
        .member("account_id", key.account_id)
        .member("platform", !key.account_id)
        .member("permissions", key.permissions)
        .member("max_requests_per_second", key.max_requests_per_second)
        .member("created_at", key.created_at)
        .member("last_used_at", key.last_used_at)
        .member("revoked_at", key.revoked_at);
}

} // namespace klen::webhooks::api
