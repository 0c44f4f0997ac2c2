#include "webhook_input.hpp"

#include "request_head.hpp"

#include "klen/webhooks/dispatch/delivery_headers.hpp"
#include "klen/webhooks/event/event_types.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>

namespace klen::webhooks::api {

namespace {

namespace json = boost::json;

constexpr int rate_max = 1'000'000;
constexpr int concurrency_max = 10'000;

std::string_view view(json::string const& text) { return {text.data(), text.size()}; }
std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

/// As an attempt would say it: one text for every refused range, so that nobody can map a network by it.
constexpr std::string_view address_refused =
    "The URL leads to an address that is not allowed. Webhooks are sent to public addresses only.";
/// Told only where the address itself is allowed.
constexpr std::string_view endpoint_refused =
    "The URL leads to this service itself or to its database. Webhooks are sent to others only.";

std::optional<egress::target> read_url(object_reader& in, problem_list& problems, webhook_rules const& rules) {
    auto const given = in.text("url", {.characters_min = 1, .characters_max = 2048});
    if (!given)
        return std::nullopt;
    auto const parsed = egress::parse_target(*given, rules.urls);
    if (!parsed) {
        problems.add("", parsed.error().message); // it begins with "url: "
        return std::nullopt;
    }
    if (parsed->host_is_address) {
        boost::system::error_code ec;
        auto const address = boost::asio::ip::make_address(parsed->host, ec);
        if (ec || !rules.addresses->allows(address, parsed->port)) {
            problems.add("url", !ec && rules.addresses->allows(address) ? endpoint_refused : address_refused);
            return std::nullopt;
        }
    }
    return *parsed;
}

std::string known_types(intake::event_catalogue const& catalogue) {
    constexpr std::size_t shown_max = 50;
    auto const names = catalogue.names();
    std::string out;
    for (std::size_t i = 0; i < std::min(names.size(), shown_max); ++i)
        out.append(i == 0 ? "" : ", ").append(names[i]);
    return out + (names.size() > shown_max ? ", … (GET /api/v1/event-types lists all)" : "");
}

/// What is wrong with one pattern; empty: nothing.
std::string judge_pattern(json::value const& given, std::vector<std::string> const& before,
                          webhook_rules const& rules) {
    if (!given.is_string())
        return "must be a string";
    auto const pattern = view(given.get_string());
    if (!event::is_event_pattern(pattern))
        return "\"" + shown(pattern) + "\" must be an event type, such as call.ended, or call.*, or *";
    if (!rules.allow_unknown_event_types && !rules.catalogue->knows_pattern(pattern))
        return "\"" + std::string(pattern) + "\" is not in the catalogue, which has " + known_types(*rules.catalogue);
    if (std::ranges::find(before, pattern) != before.end())
        return "is there twice";
    return {};
}

std::optional<std::vector<std::string>> read_subscriptions(object_reader& in, problem_list& problems,
                                                           webhook_rules const& rules) {
    auto const* given = in.find("subscribed_events");
    if (given == nullptr)
        return std::nullopt;
    auto const* list = given->if_array();
    if (list == nullptr || list->empty() || list->size() > rules.limits.subscriptions_max) {
        problems.add("subscribed_events", "must be an array of 1 to " + std::to_string(rules.limits.subscriptions_max) +
                                              " event types, such as [\"call.ended\", \"calendar.*\"]");
        return std::nullopt;
    }
    std::vector<std::string> out;
    for (std::size_t i = 0; i < list->size(); ++i) {
        if (auto const wrong = judge_pattern((*list)[i], out, rules); !wrong.empty())
            problems.add("subscribed_events[" + std::to_string(i) + "]", wrong);
        else
            out.emplace_back(view((*list)[i].get_string()));
    }
    return out;
}

bool is_token_character(char c) {
    constexpr std::string_view signs = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           signs.find(c) != std::string_view::npos;
}

/// RFC 9110 §5.6.2
bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_character); }

/// RFC 9110 §5.5, without obs-text, without tabs, and without white space at the ends, which a receiver would drop.
bool is_field_value(std::string_view text) {
    auto const is_space = [](char c) { return c == ' '; };
    if (!text.empty() && (is_space(text.front()) || is_space(text.back())))
        return false;
    return std::ranges::all_of(text, [&](char c) { return is_space(c) || (c > 0x20 && c < 0x7f); });
}

using header_list = std::vector<std::pair<std::string, std::string>>;

/// What is wrong with one header; empty: nothing.
std::string judge_header(std::string_view name, json::value const& value, header_list const& before,
                         std::string_view prefix) {
    if (!is_token(name))
        return "is no header name: it may have letters, digits and !#$%&'*+-.^_`|~";
    if (dispatch::is_reserved_header(name, prefix))
        return "is reserved: deliveries set it themselves";
    if (std::ranges::any_of(before, [&](auto const& h) { return equals_ignoring_case(h.first, name); }))
        return "is there twice";
    if (!value.is_string())
        return "must be a string";
    if (!is_field_value(view(value.get_string())))
        return "may have visible ASCII characters, with spaces between them only";
    return {};
}

std::optional<header_list> read_headers(object_reader& in, problem_list& problems, webhook_rules const& rules) {
    auto const* given = in.object("headers");
    if (given == nullptr)
        return std::nullopt;
    if (given->size() > rules.limits.headers_max) {
        problems.add("headers", "at most " + std::to_string(rules.limits.headers_max) + " are allowed");
        return std::nullopt;
    }
    header_list out;
    std::size_t bytes = 0;
    for (auto const& member : *given) {
        auto const name = view(member.key());
        if (auto const wrong = judge_header(name, member.value(), out, rules.header_prefix); !wrong.empty()) {
            if (is_token(name) && name.size() <= 64)
                problems.add("headers." + std::string(name), wrong);
            else
                problems.add("headers", "\"" + shown(name) + "\" " + wrong);
            continue;
        }
        out.emplace_back(name, view(member.value().get_string()));
        bytes += out.back().first.size() + out.back().second.size() + 4; // ": " and CRLF
    }
    if (bytes > rules.limits.headers_bytes_max)
        problems.add("headers", "are longer than " + std::to_string(rules.limits.headers_bytes_max) + " bytes in all");
    return out;
}

std::optional<std::string> read_metadata(object_reader& in, problem_list& problems, parsed_object const& whole,
                                         webhook_rules const& rules) {
    auto const* given = in.find("metadata");
    if (given == nullptr)
        return std::nullopt;
    auto const bytes_max = rules.limits.metadata_bytes_max;
    auto const text = whole.raw_member("metadata");
    if (!given->is_object() || text.size() > bytes_max)
        problems.add("metadata", "must be an object of at most " + std::to_string(bytes_max) + " bytes");
    else if (holds_nul(*given))
        problems.add("metadata", "must not contain U+0000");
    return std::string(text);
}

/// The fields that a webhook has whether it is made or changed; empty: not given.
webhook_patch read_fields(object_reader& in, problem_list& problems, parsed_object const& whole,
                          webhook_rules const& rules) {
    webhook_patch out;
    auto& set = out.set;
    set.name = in.text("name", {.characters_min = 1, .characters_max = 200});
    out.leads_to = read_url(in, problems, rules);
    if (out.leads_to)
        set.url = out.leads_to->url;
    set.subscribed_events = read_subscriptions(in, problems, rules);
    set.description = in.text("description", {.characters_min = 0, .characters_max = 2000, .may_have_lines = true});
    set.headers = read_headers(in, problems, rules);
    set.metadata = read_metadata(in, problems, whole, rules);
    set.max_rate_per_second = in.integer_or_null("max_rate_per_second", 1, rate_max);
    set.max_concurrency = in.integer_or_null("max_concurrency", 1, concurrency_max);
    set.enabled = in.boolean("enabled");
    set.disabled_note = in.text("disabled_note", note_rule);
    return out;
}

store::webhook row_of(store::webhook_change given) {
    store::webhook out;
    out.name = std::move(given.name).value_or("");
    out.url = std::move(given.url).value_or("");
    out.subscribed_events = std::move(given.subscribed_events).value_or(std::vector<std::string>());
    out.description = std::move(given.description).value_or("");
    out.headers = std::move(given.headers).value_or(header_list());
    out.metadata = std::move(given.metadata).value_or("{}");
    out.max_rate_per_second = given.max_rate_per_second.value_or(std::nullopt);
    out.max_concurrency = given.max_concurrency.value_or(std::nullopt);
    out.enabled = given.enabled.value_or(true);
    out.disabled_note = std::move(given.disabled_note).value_or("");
    return out;
}

/// Whoever sends back what was answered is told why that cannot be changed.
void refuse_read_only(object_reader& in, std::initializer_list<char const*> more) {
    for (char const* name :
         {"id", "disabled_reason", "disabled_at", "failing_since", "created_at", "updated_at", "health"})
        in.refuse(name, "is read-only");
    for (char const* name : more)
        in.refuse(name, "is read-only");
}

constexpr std::string_view note_of_enabled = "goes with \"enabled\": false only";

} // namespace

std::variant<webhook_draft, std::string> read_webhook(std::string_view body, webhook_rules const& rules) {
    auto parsed = parse_json_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return std::move(*broken);
    auto const& whole = std::get<parsed_object>(parsed);
    problem_list problems;
    object_reader in(whole.members, problems);
    for (char const* name : {"name", "url", "subscribed_events"})
        in.require(name);
    auto fields = read_fields(in, problems, whole, rules);
    if (fields.set.disabled_note && fields.set.enabled.value_or(true))
        problems.add("disabled_note", note_of_enabled);
    webhook_draft out;
    out.account_id = in.text("account_id", {.characters_min = 1, .characters_max = 128});
    out.secret = read_secret(in, problems, rules.limits);
    refuse_read_only(in, {});
    in.refuse_others();
    if (!problems.empty())
        return problems.text();
    out.row = row_of(std::move(fields.set));
    out.leads_to = std::move(fields.leads_to).value_or(egress::target());
    return out;
}

std::variant<webhook_patch, std::string> read_webhook_change(std::string_view body, webhook_rules const& rules) {
    auto parsed = parse_json_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return std::move(*broken);
    auto const& whole = std::get<parsed_object>(parsed);
    problem_list problems;
    object_reader in(whole.members, problems, null_means::wrong_type);
    auto out = read_fields(in, problems, whole, rules);
    if (out.set.disabled_note && out.set.enabled.value_or(false))
        problems.add("disabled_note", note_of_enabled);
    in.refuse("secret", "is changed by POST /api/v1/webhooks/{id}/rotate-secret");
    refuse_read_only(in, {"account_id"});
    in.refuse_others();
    if (!problems.empty())
        return problems.text();
    return out;
}

std::optional<signing::secret> read_secret(object_reader& in, problem_list& problems, webhooks_config const& limits) {
    auto const* given = in.find("secret");
    if (given == nullptr)
        return std::nullopt;
    auto const* text = given->if_string();
    auto parsed = signing::secret::parse(text == nullptr ? std::string_view() : view(*text));
    if (parsed && parsed->key().size() >= limits.secret_bytes_min)
        return std::move(*parsed);
    problems.add("secret", "must be whsec_ and base64 of " + std::to_string(std::max(limits.secret_bytes_min, 24U)) +
                               " to 64 random bytes; leave it out to have one made");
    return std::nullopt;
}

} // namespace klen::webhooks::api
