#include "klen/webhooks/app/application.hpp"

#include "app/command_tree.hpp"
#include "app/commands/complain.hpp"

namespace klen::webhooks::app {

int run(int argc, char** argv) {
    try {
        command_tree commands;
        declare_daemon_commands(commands);
        declare_event_commands(commands);
        declare_webhook_commands(commands);
        declare_delivery_commands(commands);
        declare_key_commands(commands);
        declare_listen_command(commands);
        return commands.run(argc, argv);
    } catch (std::exception const& e) {
        return complain(exit_failed, e.what());
    }
}

} // namespace klen::webhooks::app
