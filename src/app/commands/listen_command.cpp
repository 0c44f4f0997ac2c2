#include "app/commands/commands.hpp"

#include "app/commands/complain.hpp"
#include "app/listen/receiver.hpp"
#include "app/text_input.hpp"

#include <unistd.h>

namespace klen::webhooks::app {

namespace {

result<listen::receiver_options> options_of(listen_options const& how) {
    listen::receiver_options out;
    out.address = how.address;
    out.port = how.port;
    out.header_prefix = how.header_prefix;
    out.count = how.count;
    out.plan.hang = how.hang;
    out.plan.reset = how.reset;
    auto const statuses = listen::parse_statuses(how.statuses);
    auto const delay = listen::parse_duration(how.delay);
    auto const timeout = listen::parse_duration(how.timeout);
    if (statuses.has_error())
        return statuses.error();
    if (delay.has_error())
        return delay.error();
    if (timeout.has_error())
        return timeout.error();
    out.plan.statuses = *statuses;
    out.plan.delay = *delay;
    out.timeout = *timeout;
    auto secrets = how.secrets;
    for (auto const& file : how.secret_files) {
        auto text = read_secret_file(file);
        if (text.has_error())
            return text.error();
        secrets.push_back(std::move(*text));
    }
    for (auto const& text : secrets) {
        auto secret = signing::secret::parse(text);
        if (secret.has_error())
            return secret.error();
        out.secrets.push_back(std::move(*secret));
    }
    if (out.count > 0 && out.secrets.empty())
        return failure{fault::invalid_argument, "--count counts verified deliveries: give a --secret, too"};
    return out;
}

} // namespace

int run_listen(listen_options const& how) {
    auto options = options_of(how);
    if (options.has_error())
        return complain(exit_usage, options.error().message);
    bool const terminal = isatty(STDOUT_FILENO) == 1;
    listen::delivery_printer show(
        std::cout,
        {.json = how.json, .utf8 = listen::delivery_printer::locale_is_utf8(), .colour = terminal && !how.json});
    auto const secrets = options->secrets.size();
    auto made = listen::receiver::create(std::move(*options), show);
    if (made.has_error())
        return complain(made.error().kind == fault::io ? exit_unavailable : exit_usage, made.error().message);
    show.listening((*made)->url(), secrets);
    switch ((*made)->run()) {
    case listen::receiver_end::not_verified:
        return complain(exit_failed, "a delivery could not be verified");
    case listen::receiver_end::timed_out:
        return complain(exit_failed, "not all deliveries came in time");
    case listen::receiver_end::counted:
    case listen::receiver_end::asked:
        break;
    }
    return exit_ok;
}

} // namespace klen::webhooks::app
