#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/base/version.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using variables = std::map<std::string, std::string>;

constexpr char const* key_of_32_bytes = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

loaded_config load(std::string const& toml, variables const& env = {}) {
    std::vector<std::string> names;
    names.reserve(env.size());
    for (auto const& [name, value] : env)
        names.push_back(name);
    auto const get = [&env](std::string const& name) -> std::optional<std::string> {
        auto const found = env.find(name);
        if (found == env.end())
            return std::nullopt;
        return found->second;
    };
    return load_config_text("klen.toml", toml, get, names);
}

std::vector<std::string> texts_of(std::vector<config_error> const& errors) {
    std::vector<std::string> out;
    for (config_error const& e : errors)
        out.push_back(e.text());
    return out;
}

std::vector<std::string> errors_of(std::string const& toml, variables const& env = {}) {
    return texts_of(load(toml, env).errors);
}

/// A folder of one test, removed at its end.
class settings_files : public testing::Test {
  protected:
    settings_files() {
        std::string pattern = testing::TempDir() + "klen_settings_XXXXXX";
        dir_ = ::mkdtemp(pattern.data());
    }
    ~settings_files() override { std::filesystem::remove_all(dir_); }

    std::string file(std::string const& name, std::string const& contents) const {
        std::string path = dir_ + "/" + name;
        std::ofstream(path, std::ios::binary) << contents;
        return path;
    }

    std::string dir_;
};

// --- values -------------------------------------------------------------------------------------

TEST(settings, nothing_given_means_the_defaults) {
    loaded_config const got = load("");
    EXPECT_THAT(texts_of(got.errors), IsEmpty());
    EXPECT_EQ(got.values.server.listen_address, "127.0.0.1");
    EXPECT_EQ(got.values.server.listen_port, 8080);
    EXPECT_EQ(got.values.intake.queue_bytes_max, 64u * 1024 * 1024);
    EXPECT_THAT(got.values.delivery.retry_schedule, ElementsAre(seconds(60), seconds(300), seconds(1800)));
    EXPECT_EQ(got.values.delivery.attempt_timeout, seconds(10));
    EXPECT_EQ(got.values.delivery.disable_after, hours(120));
    EXPECT_EQ(got.values.delivery.header_prefix, "X-Klen-");
    EXPECT_EQ(got.values.delivery.user_agent, "klen-webhooks/" + std::string(version()));
    EXPECT_EQ(got.values.retention.events, hours(720));
    EXPECT_EQ(got.values.log.level, log::level::info);
    EXPECT_EQ(got.values.log.format, log::format::text);
    EXPECT_EQ(got.values.log.attempts, true);
    EXPECT_EQ(default_config().server.listen_port, 8080);
    EXPECT_EQ(default_config().dispatch.heartbeat_interval, seconds(2));
    EXPECT_EQ(default_config().server.header_timeout, seconds(5));
    EXPECT_EQ(default_config().server.idle_timeout, seconds(60));
    // What another instance changed or revoked is seen within a second.
    EXPECT_LE(default_config().database.watch_interval, milliseconds(500));
    // Node.js closes after 5 s what nobody uses: whoever reuses a connection just then meets a RST.
    EXPECT_LT(default_config().egress.idle_timeout, std::chrono::seconds(5));
    EXPECT_GT(default_config().egress.idle_timeout, std::chrono::seconds(1));
}

TEST(settings, file_sets_values_of_every_type) {
    loaded_config const got = load(R"(
        server.listen_port = 0
        [delivery]
        retry_schedule_seconds = [1, 2]
        attempt_timeout_ms = 500
        user_agent = "hooks/1"
        [egress]
        allow_http = true
        allowed_ranges = ["127.0.0.0/8", "::1/128"]
        allowed_ports = [443, 8443]
        dns_servers = ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53"]
        [log]
        level = "debug"
        format = "json"
    )");
    ASSERT_THAT(texts_of(got.errors), IsEmpty());
    EXPECT_EQ(got.values.server.listen_port, 0);
    EXPECT_THAT(got.values.delivery.retry_schedule, ElementsAre(seconds(1), seconds(2)));
    EXPECT_EQ(got.values.delivery.attempt_timeout, milliseconds(500));
    EXPECT_EQ(got.values.delivery.user_agent, "hooks/1");
    EXPECT_TRUE(got.values.egress.allow_http);
    EXPECT_THAT(got.values.egress.allowed_ranges, ElementsAre("127.0.0.0/8", "::1/128"));
    EXPECT_THAT(got.values.egress.allowed_ports, ElementsAre(443, 8443));
    EXPECT_EQ(got.values.egress.dns_servers.size(), 4u);
    EXPECT_EQ(got.values.log.level, log::level::debug);
    EXPECT_EQ(got.values.log.format, log::format::json);
}

TEST(settings, environment_wins_over_the_file) {
    loaded_config const got = load("[server]\nlisten_port = 1000\nlisten_address = \"127.0.0.2\"\n",
                                   {{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "2000"},
                                    {"KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP", "true"},
                                    {"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1, 2 ,3"},
                                    {"KLEN_WEBHOOKS_INTAKE_EXTRA_EVENT_TYPES", "order.created,order.paid"},
                                    {"KLEN_WEBHOOKS_EGRESS_REFUSED_RANGES", ""},
                                    {"KLEN_WEBHOOKS_LOG_FILE", ""}});
    ASSERT_THAT(texts_of(got.errors), IsEmpty());
    EXPECT_EQ(got.values.server.listen_port, 2000);
    EXPECT_EQ(got.values.server.listen_address, "127.0.0.2");
    EXPECT_TRUE(got.values.egress.allow_http);
    EXPECT_THAT(got.values.delivery.retry_schedule, ElementsAre(seconds(1), seconds(2), seconds(3)));
    EXPECT_THAT(got.values.intake.extra_event_types, ElementsAre("order.created", "order.paid"));
    EXPECT_THAT(got.values.egress.refused_ranges, IsEmpty());
}

TEST(settings, variables_of_the_command_line_and_of_others_are_left_alone) {
    EXPECT_THAT(errors_of("", {{"KLEN_WEBHOOKS_URL", "http://127.0.0.1:8080"},
                               {"KLEN_WEBHOOKS_KEY", "klen_x"},
                               {"KLEN_WEBHOOKS_SECRET", "whsec_x"},
                               {"KLEN_WEBHOOKS_SERVICE_HOST", "10.0.0.1"}, // what Kubernetes adds
                               {"KLEN_WEBHOOKS_PORT_8080_TCP", "tcp://10.0.0.1:8080"},
                               {"KLEN_WEBHOOKS_CONFIG", "a.toml"},
                               {"KLEN_OTHER", "x"},
                               {"PATH", "/bin"}}),
                IsEmpty());
}

// --- errors in one setting ----------------------------------------------------------------------

struct error_case {
    char const* toml;
    char const* text; ///< the whole error
};

class file_error : public testing::TestWithParam<error_case> {};

TEST_P(file_error, is_reported_with_its_place_and_what_is_allowed) {
    EXPECT_THAT(errors_of(GetParam().toml), ElementsAre(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    values, file_error,
    testing::Values(
        error_case{"[server]\nlisten_port = 70000",
                   "klen.toml:2: server.listen_port: must be from 0 to 65535, not 70000"},
        error_case{"[server]\n\nlisten_port = -1", "klen.toml:3: server.listen_port: must be from 0 to 65535, not -1"},
        error_case{"[server]\nlisten_port = \"8080\"",
                   "klen.toml:2: server.listen_port: must be a whole number (port) from 0 to 65535, not a text"},
        error_case{"[dispatch]\npoll_interval_ms = 0.5", "klen.toml:2: dispatch.poll_interval_ms: must be a whole "
                                                         "number (milliseconds) from 10 to 60000, not a number with a "
                                                         "fraction"},
        error_case{"[egress]\nallow_http = 1",
                   "klen.toml:2: egress.allow_http: must be true or false, not a whole number"},
        error_case{"[log]\nlevel = \"loud\"",
                   "klen.toml:2: log.level: must be one of: trace, debug, info, warn, error, "
                   "off; not \"loud\""},
        error_case{"[log]\nlevel = \"warning\"",
                   "klen.toml:2: log.level: must be one of: trace, debug, info, warn, error, "
                   "off; not \"warning\"; did you mean warn?"},
        error_case{"[log]\nlevel = \"INFO\"",
                   "klen.toml:2: log.level: must be one of: trace, debug, info, warn, error, "
                   "off; not \"INFO\"; did you mean info?"},
        error_case{"[log]\nfile = [\"a\"]", "klen.toml:2: log.file: must be a text in quotes, not a list"},
        error_case{"[log]\nfile = \"a\\nb\"", "klen.toml:2: log.file: must be UTF-8 text without control characters"},
        error_case{"[delivery]\nretry_schedule_seconds = 60",
                   "klen.toml:2: delivery.retry_schedule_seconds: must be a list of whole numbers, as in [1, 2], not a "
                   "whole number"},
        error_case{"[delivery]\nretry_schedule_seconds = [60, \"x\", 0, [1]]",
                   "klen.toml:2: delivery.retry_schedule_seconds: entry 2 must be a whole number (seconds) from 1 to "
                   "604800, not a text; entry 3 must be from 1 to 604800, not 0; entry 4 must be a whole number "
                   "(seconds) from 1 to 604800, not a list"},
        error_case{"[egress]\nrefused_ranges = [\"a\", 7]",
                   "klen.toml:2: egress.refused_ranges: entry 1 must have a prefix length, as in 10.0.0.0/8; not "
                   "\"a\"; entry 2 must be a text in quotes, not a whole number"},
        error_case{"[delivery]\nretry_schedule_seconds = [60, 0]",
                   "klen.toml:2: delivery.retry_schedule_seconds: entry 2 must be from 1 to 604800, not 0"},
        error_case{"[delivery]\nretry_schedule_seconds = [0, 60, 700000]",
                   "klen.toml:2: delivery.retry_schedule_seconds: entry 1 must be from 1 to 604800, not 0; entry 3 "
                   "must be from 1 to 604800, not 700000"},
        error_case{"[egress]\nallowed_ports = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]",
                   "klen.toml:2: egress.allowed_ports: entry 1 must be from 1 to 65535, not 0; entry 2 must be from 1 "
                   "to 65535, not 0; entry 3 must be from 1 to 65535, not 0; entry 4 must be from 1 to 65535, not 0; "
                   "entry 5 must be from 1 to 65535, not 0; entry 6 must be from 1 to 65535, not 0; entry 7 must be "
                   "from 1 to 65535, not 0; entry 8 must be from 1 to 65535, not 0; entry 9 must be from 1 to 65535, "
                   "not 0; entry 10 must be from 1 to 65535, not 0; and 2 more"},
        error_case{"[retention]\nevents_hours = 25",
                   "klen.toml:2: retention.events_hours: must be a multiple of 24, not 25"},
        error_case{"[server]\nlisten_address = \"localhost\"",
                   "klen.toml:2: server.listen_address: must be an IPv4 or IPv6 address; not \"localhost\""},
        error_case{"[secrets]\nmaster_key_id = \"\"",
                   "klen.toml:2: secrets.master_key_id: must be 1 to 32 letters, digits, '.', '_' and '-'; not \"\""},
        error_case{"[egress]\nallowed_ports = [0]",
                   "klen.toml:2: egress.allowed_ports: entry 1 must be from 1 to 65535, not 0"}));

INSTANTIATE_TEST_SUITE_P(
    names, file_error,
    testing::Values(
        error_case{"[server]\nlisten_prot = 1",
                   "klen.toml:2: server.listen_prot: is no setting; did you mean listen_port?"},
        error_case{"[server]\nheader_timeout = 1",
                   "klen.toml:2: server.header_timeout: is no setting; did you mean header_timeout_ms?"},
        error_case{"[server]\nattempt_timeout_ms = 1",
                   "klen.toml:2: server.attempt_timeout_ms: is no setting; it belongs in [delivery]"},
        error_case{"[log]\nconnect_timeout_ms = 1",
                   "klen.toml:2: log.connect_timeout_ms: is no setting; it belongs in [database] or [egress]"},
        error_case{"[log]\nretry_schedule_second = [1]",
                   "klen.toml:2: log.retry_schedule_second: is no setting; did you mean retry_schedule_seconds in "
                   "[delivery]?"},
        error_case{"[server]\nzzzzzzzzzzzzzz = 1", "klen.toml:2: server.zzzzzzzzzzzzzz: is no setting"},
        error_case{"[server.tls]\na = 1", "klen.toml:1: server.tls: is no setting"},
        error_case{"\n[sevrer]\nlisten_port = 1", "klen.toml:2: sevrer: is no section; did you mean [server]?"},
        error_case{
            "[kubernetes]",
            "klen.toml:1: kubernetes: is no section; the sections are: server, webhooks, database, intake, delivery, "
            "dispatch, egress, secrets, retention, log"},
        error_case{"listen_port = 1", "klen.toml:1: listen_port: stands outside any section; it belongs in [server]"},
        error_case{"server = 1", "klen.toml:1: server: must be a section: [server]"}));

TEST(settings, ranges_and_name_servers_that_are_none_are_refused) {
    for (char const* range :
         {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", "010.0.0.0/8", "fd00::/129",
          "fd00::%eth0/64", "example.com/8", "", "/8", "10.1.0.0/8", "fd00::1/8"}) {
        auto const errors = errors_of("egress.allowed_ranges = [\"192.0.2.0/24\", \"" + std::string(range) + "\"]");
        ASSERT_EQ(errors.size(), 1u) << range;
        EXPECT_THAT(errors[0], HasSubstr("klen.toml:1: egress.allowed_ranges: entry 2 ")) << range;
    }
    EXPECT_THAT(errors_of("egress.refused_ranges = [\"10.1.2.3/8\"]"), ElementsAre(HasSubstr("is 10.0.0.0/8 meant?")));
    EXPECT_THAT(errors_of("egress.refused_ranges = [\"0.0.0.0/0\", \"::/0\", \"1.2.3.4/32\"]"), IsEmpty());

    for (char const* server : {"dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1]:53",
                               "[2001:db8::1]", "[2001:db8::1]:", "[]:53", ":53", "", "192.0.2.1 "})
        EXPECT_EQ(errors_of("egress.dns_servers = [\"" + std::string(server) + "\"]").size(), 1u) << server;
}

TEST(settings, header_prefix_must_be_a_free_beginning_of_header_names) {
    for (char const* prefix : {"", "-", "X-Klen", "X Klen-", "X-Klén-", "X:Klen-", "webhook-", "Webhook-", "Content-"})
        EXPECT_EQ(errors_of("delivery.header_prefix = \"" + std::string(prefix) + "\"").size(), 1u) << prefix;
    EXPECT_THAT(errors_of("delivery.header_prefix = \"Acme-Hook-\""), IsEmpty());
}

TEST(settings, event_types_and_user_agent_are_checked) {
    for (char const* type : {"order", "order.", ".order", "a..b", "Order.created", "a.b*", "*", "call.*", ""})
        EXPECT_EQ(errors_of("intake.extra_event_types = [\"" + std::string(type) + "\"]").size(), 1u) << type;
    for (char const* agent : {" a", "a ", "\\u00e9", "a\\tb"})
        EXPECT_EQ(errors_of("delivery.user_agent = \"" + std::string(agent) + "\"").size(), 1u) << agent;
}

// --- errors in the environment -------------------------------------------------------------------

struct variable_case {
    char const* name;
    char const* value;
    char const* text;
};

class variable_error : public testing::TestWithParam<variable_case> {};

TEST_P(variable_error, names_the_variable) {
    EXPECT_THAT(errors_of("", {{GetParam().name, GetParam().value}}), ElementsAre(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    all, variable_error,
    testing::Values(
        variable_case{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "80a",
                      "KLEN_WEBHOOKS_SERVER_LISTEN_PORT: server.listen_port: must be a whole number (port) from 0 to "
                      "65535, not \"80a\""},
        variable_case{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "",
                      "KLEN_WEBHOOKS_SERVER_LISTEN_PORT: server.listen_port: must be a whole number (port) from 0 to "
                      "65535, not empty"},
        variable_case{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "65536",
                      "KLEN_WEBHOOKS_SERVER_LISTEN_PORT: server.listen_port: must be from 0 to 65535, not 65536"},
        variable_case{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "99999999999999999999",
                      "KLEN_WEBHOOKS_SERVER_LISTEN_PORT: server.listen_port: must be a whole number (port) from 0 to "
                      "65535, not \"99999999999999999999\""},
        variable_case{"KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP", "yes",
                      "KLEN_WEBHOOKS_EGRESS_ALLOW_HTTP: egress.allow_http: must be true or false, not \"yes\""},
        variable_case{"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1,,2",
                      "KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS: delivery.retry_schedule_seconds: entry 2 must be "
                      "a whole number (seconds) from 1 to 604800, not empty"},
        variable_case{"KLEN_WEBHOOKS_LOG_FILE", "a\033[2Jb\xff",
                      "KLEN_WEBHOOKS_LOG_FILE: log.file: must be UTF-8 text without control characters"},
        variable_case{
            "KLEN_WEBHOOKS_SERVER_LISTEN_PROT", "1",
            "KLEN_WEBHOOKS_SERVER_LISTEN_PROT: is no setting; did you mean KLEN_WEBHOOKS_SERVER_LISTEN_PORT?"},
        variable_case{"KLEN_WEBHOOKS_COFNIG", "1",
                      "KLEN_WEBHOOKS_COFNIG: is no setting; did you mean KLEN_WEBHOOKS_CONFIG?"},
        variable_case{"KLEN_WEBHOOKS_LOG_LEVEL_FILE", "x",
                      "KLEN_WEBHOOKS_LOG_LEVEL_FILE: is no setting: only secrets are read from files; set "
                      "KLEN_WEBHOOKS_LOG_LEVEL instead"},
        variable_case{"KLEN_WEBHOOKS_", "x", "KLEN_WEBHOOKS_: is no setting"}));

TEST(settings, variable_overrides_a_bad_file_value_which_is_reported_all_the_same) {
    loaded_config const got = load("[server]\nlisten_port = 70000", {{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "9000"}});
    EXPECT_THAT(texts_of(got.errors), ElementsAre(HasSubstr("klen.toml:2: server.listen_port")));
    EXPECT_EQ(got.values.server.listen_port, 9000);
}

TEST(settings, all_errors_are_reported_at_once) {
    auto const errors = errors_of("[server]\n"
                                  "listen_port = 70000\n"
                                  "[delivery]\n"
                                  "header_prefix = \"X\"\n"
                                  "[dispatch]\n"
                                  "heartbeat_interval_ms = 9000\n"
                                  "[logs]\n",
                                  {{"KLEN_WEBHOOKS_LOG_FORMAT", "xml"}, {"KLEN_WEBHOOKS_WHAT_EVER", "1"}});
    EXPECT_THAT(errors, // the file's in the order of its lines
                testing::ElementsAre(HasSubstr("klen.toml:2: server.listen_port: "),
                                     HasSubstr("klen.toml:4: delivery.header_prefix: "),
                                     HasSubstr("klen.toml:6: dispatch.heartbeat_interval_ms: "),
                                     HasSubstr("klen.toml:7: logs: is no section; did you mean [log]?"),
                                     HasSubstr("KLEN_WEBHOOKS_LOG_FORMAT: log.format: "),
                                     HasSubstr("KLEN_WEBHOOKS_WHAT_EVER: is no setting")));
}

// --- settings that contradict each other ------------------------------------------------------------

TEST(settings, each_value_tells_where_it_was_given) {
    auto const got = load("[server]\n\nlisten_port = 1\n", {{"KLEN_WEBHOOKS_LOG_LEVEL", "warn"}});
    EXPECT_EQ(got.given_in.size(), 2U);
    EXPECT_EQ(got.given_in.at("server.listen_port"), (std::pair<std::string, int>("klen.toml", 3)));
    EXPECT_EQ(got.given_in.at("log.level"), (std::pair<std::string, int>("KLEN_WEBHOOKS_LOG_LEVEL", 0)));
}

TEST(settings, contradictions_point_at_what_was_written) {
    EXPECT_THAT(errors_of("[dispatch]\nheartbeat_interval_ms = 5001"),
                ElementsAre(HasSubstr("klen.toml:2: dispatch.heartbeat_interval_ms: must be a third of "
                                      "dispatch.lease_timeout_ms (15000) at most, not 5001")));
    EXPECT_THAT(errors_of("[dispatch]\nlease_timeout_ms = 5999"),
                ElementsAre(HasSubstr("klen.toml:2: dispatch.heartbeat_interval_ms: ")));
    EXPECT_THAT(errors_of("[dispatch]\nheartbeat_interval_ms = 5000"), IsEmpty());
    EXPECT_THAT(
        errors_of("", {{"KLEN_WEBHOOKS_DELIVERY_ATTEMPT_TIMEOUT_MS", "11000"}}),
        ElementsAre(HasSubstr("KLEN_WEBHOOKS_DELIVERY_ATTEMPT_TIMEOUT_MS: dispatch.shutdown_timeout_ms: must be "
                              "more than delivery.attempt_timeout_ms (11000), not 10500")));
    EXPECT_THAT(
        errors_of("server.body_bytes_max = 262143"),
        ElementsAre(HasSubstr("klen.toml:1: server.body_bytes_max: must be at least intake.payload_bytes_max")));
    EXPECT_THAT(errors_of("server.body_bytes_max = 262144"), IsEmpty());
}

TEST(settings, two_listeners_need_two_ports) {
    auto const with = [](char const* address, int port) {
        return errors_of("[server]\nlisten_address = \"127.0.0.1\"\nlisten_port = " + std::to_string(port) +
                         "\noperations_address = \"" + address + "\"\noperations_port = " + std::to_string(port));
    };
    EXPECT_THAT(with("127.0.0.1", 9000), ElementsAre(HasSubstr("klen.toml:5: server.operations_port: must differ")));
    EXPECT_THAT(with("0.0.0.0", 9000), ElementsAre(HasSubstr("must differ")));
    EXPECT_THAT(with("127.0.0.2", 9000), IsEmpty());
    EXPECT_THAT(with("127.0.0.1", 0), IsEmpty());
    EXPECT_THAT(with("", 9000), IsEmpty());
}

TEST(settings, tls_needs_a_certificate_and_a_key) {
    EXPECT_THAT(errors_of("server.tls_certificate_file = \"c.pem\""),
                ElementsAre(HasSubstr("server.tls_key_file: is needed when server.tls_certificate_file is set")));
    EXPECT_THAT(errors_of("server.tls_key_file = \"k.pem\""),
                ElementsAre(HasSubstr("server.tls_certificate_file: is needed when server.tls_key_file is set")));
    EXPECT_THAT(errors_of("server.tls_certificate_file = \"c.pem\"\nserver.tls_key_file = \"k.pem\""), IsEmpty());
}

TEST(settings, wrong_values_raise_no_contradictions_on_top) {
    EXPECT_THAT(errors_of("[dispatch]\nlease_timeout_ms = 1"),
                ElementsAre(HasSubstr("dispatch.lease_timeout_ms: must be from")));
}

// --- secrets ------------------------------------------------------------------------------------------

TEST(settings, master_key_is_needed_with_a_database_and_must_be_canonical_base64_of_32_bytes) {
    std::string const url = "database.url = \"postgresql://klen:s3cret@db/klen\"\n";
    EXPECT_THAT(errors_of(url), ElementsAre(HasSubstr("klen.toml:1: secrets.master_key: is needed")));
    loaded_config const good = load(url + "secrets.master_key = \"" + key_of_32_bytes + "\"");
    EXPECT_THAT(texts_of(good.errors), IsEmpty());
    EXPECT_EQ(good.values.secrets.master_key, key_of_32_bytes);
    for (std::string const key : {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                                  "c2hvcnQ=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "not base64 at all"}) {
        auto const errors = errors_of(std::string(url).append("secrets.master_key = \"").append(key).append("\""));
        ASSERT_EQ(errors.size(), 1u) << key;
        EXPECT_THAT(errors[0], HasSubstr("klen.toml:2: secrets.master_key: must be base64 of 32 bytes"));
        EXPECT_THAT(errors[0], Not(HasSubstr(key)));
    }
}

TEST(settings, previous_master_keys_have_ids_of_their_own_and_are_never_repeated) {
    std::string const previous = "secrets.previous_master_keys = [\"k0:" + std::string(key_of_32_bytes) + "\"]";
    EXPECT_EQ(load(previous).values.secrets.previous_master_keys.size(), 1u);
    EXPECT_THAT(
        errors_of("secrets.master_key_id = \"k0\"\n" + previous),
        ElementsAre(HasSubstr("secrets.previous_master_keys: has a key with the id of secrets.master_key (k0)")));
    for (std::string const wrong : {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "k 0:AAEC", "k0:AAEC", ":AAEC"}) {
        auto const errors = errors_of("secrets.previous_master_keys = [\"" + wrong + "\"]");
        ASSERT_EQ(errors.size(), 1u) << wrong;
        EXPECT_THAT(errors[0], HasSubstr("secrets.previous_master_keys"));
        EXPECT_THAT(errors[0], Not(HasSubstr("AAEC")));
    }
}

TEST(settings, database_url_is_never_repeated) {
    for (std::string const url :
         {"mysql://klen:s3cret@db/klen", "klen:s3cret@db", "host=db password=s3cret", "POSTGRESQL://klen:s3cret@db"}) {
        auto const errors = errors_of("database.url = \"" + url + "\"", {{"KLEN_WEBHOOKS_DATABASE_URL", url}});
        ASSERT_EQ(errors.size(), 2u) << url;
        for (std::string const& e : errors) {
            EXPECT_THAT(e, HasSubstr("database.url: must begin with postgresql:// or postgres://"));
            EXPECT_THAT(e, Not(HasSubstr("s3cret")));
        }
    }
}

TEST(settings, syntax_errors_have_a_line_and_repeat_no_secret) {
    EXPECT_THAT(errors_of("[server]\nlisten_port = = 1"), ElementsAre(HasSubstr("klen.toml:2: is no TOML: ")));
    EXPECT_THAT(errors_of("[server]\nlisten_port = 1\nlisten_port = 2"),
                ElementsAre(HasSubstr("klen.toml:3: is no TOML: ")));
    for (std::string const toml : {
             "[secrets]\nmaster_key = 98765432109876543210987654321",
             "secrets = { master_key = 98765432109876543210987654321 }",
             "[database]\nurl = 0x98765432109876543210987654321",
             "[database]\nurl = \"\"\"\npostgresql://a\n98765432109876543210987654321\\q\"\"\"",
         }) {
        auto const errors = errors_of(toml);
        ASSERT_EQ(errors.size(), 1u) << toml;
        EXPECT_THAT(errors[0], Not(HasSubstr("98765432"))) << toml;
        EXPECT_THAT(errors[0], HasSubstr("not shown")) << toml;
    }
}

TEST_F(settings_files, secret_comes_from_a_file_less_one_newline) {
    std::string const key = file("key", std::string(key_of_32_bytes) + "\n");
    std::string const url = file("url", "postgresql://klen:s3cret@db/klen\r\n");
    loaded_config const got =
        load("", {{"KLEN_WEBHOOKS_SECRETS_MASTER_KEY_FILE", key}, {"KLEN_WEBHOOKS_DATABASE_URL_FILE", url}});
    EXPECT_THAT(texts_of(got.errors), IsEmpty());
    EXPECT_EQ(got.values.secrets.master_key, key_of_32_bytes);
    EXPECT_EQ(got.values.database.url, "postgresql://klen:s3cret@db/klen");
}

TEST_F(settings_files, secret_files_that_are_of_no_use_are_reported) {
    std::string const name = "KLEN_WEBHOOKS_SECRETS_MASTER_KEY_FILE";
    EXPECT_THAT(errors_of("", {{name, dir_ + "/missing"}}),
                ElementsAre(HasSubstr(name + ": secrets.master_key: the file \"" + dir_ +
                                      "/missing\" cannot be read: No such file or directory")));
    EXPECT_THAT(errors_of("", {{name, dir_}}), ElementsAre(HasSubstr("cannot be read: Is a directory")));
    EXPECT_THAT(errors_of("", {{name, file("empty", "\n")}}), ElementsAre(HasSubstr("is empty")));
    EXPECT_THAT(errors_of("", {{name, ""}, {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", key_of_32_bytes}}), IsEmpty())
        << "as not set";
    EXPECT_THAT(errors_of("", {{name, file("two", std::string(key_of_32_bytes) + "\n\n")}}),
                ElementsAre(HasSubstr("control characters")));
    EXPECT_THAT(errors_of("", {{name, file("huge", std::string((1 << 20) + 1, 'a'))}}),
                ElementsAre(HasSubstr("larger than 1 MiB")));
    EXPECT_THAT(
        errors_of("", {{name, file("key", key_of_32_bytes)}, {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", key_of_32_bytes}}),
        ElementsAre(HasSubstr("secrets.master_key: must not be given both ways")));
}

TEST(settings, values_in_force_are_shown_with_their_source_and_without_secrets) {
    variables const env{{"KLEN_WEBHOOKS_DATABASE_URL", "postgresql://klen:s3cret@db/klen"},
                        {"KLEN_WEBHOOKS_LOG_LEVEL", "warn"}};
    std::string const text = effective_config_text("", [&](std::string const& name) -> std::optional<std::string> {
        auto const found = env.find(name);
        return found == env.end() ? std::nullopt : std::optional(found->second);
    });
    EXPECT_THAT(text, HasSubstr("server.listen_port = 8080  # default\n"));
    EXPECT_THAT(text, HasSubstr("log.level = \"warn\"  # KLEN_WEBHOOKS_LOG_LEVEL\n"));
    EXPECT_THAT(text, HasSubstr("database.url = (set)  # KLEN_WEBHOOKS_DATABASE_URL\n"));
    EXPECT_THAT(text, HasSubstr("secrets.master_key = (not set)  # default\n"));
    EXPECT_THAT(text, Not(HasSubstr("s3cret")));
}

} // namespace
} // namespace klen::webhooks
