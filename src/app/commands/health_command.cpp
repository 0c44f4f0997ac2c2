#include "app/commands/commands.hpp"

#include "app/api_client.hpp"
#include "app/commands/complain.hpp"
#include "app/json_text.hpp"

namespace klen::webhooks::app {

int run_health(api_options const& api, bool ready) {
    auto client = api_client::create(api.url, {});
    if (client.has_error())
        return complain(exit_usage, client.error().message);
    client->set_timeout(std::chrono::seconds(5));
    auto const answer = client->call("GET", ready ? "/readyz?verbose" : "/livez");
    if (answer.has_error())
        return complain(exit_unavailable, answer.error().message);
    if (answer->status == 404)
        return complain(exit_unavailable, api.url +
                                              " answers, but not to this question: give the operations listener's "
                                              "address (server.operations_address) with --url");
    auto const text = terminal_safe(answer->body, std::size_t{16} << 10, true);
    std::cout << text << (text.ends_with('\n') ? "" : "\n");
    return answer->ok() ? exit_ok : exit_unavailable;
}

} // namespace klen::webhooks::app
