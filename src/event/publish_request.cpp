#include "klen/webhooks/event/json_body.hpp"

#include "json_reader.hpp"

#include <array>
#include <utility>

namespace klen::webhooks::event {

namespace {

struct text_member {
    std::string_view name;
    std::optional<std::string> publish_request::*where;
};
constexpr std::array<text_member, 5> text_members = {{
    {"account_id", &publish_request::account_id},
    {"event_type", &publish_request::event_type},
    {"id", &publish_request::id},
    {"timestamp", &publish_request::timestamp},
    {"traceparent", &publish_request::traceparent},
}};

/// Reads one request to its end even when a field is wrong, so that broken JSON is always reported as such; of the
/// fields, the first wrong one is reported.
class publish_reader {
  public:
    publish_reader(std::string_view text, json_limits limits) : in_(text, limits) {}

    std::variant<publish_request, json_error, field_error> read() {
        if (!in_.begin() || !document() || !in_.end())
            return in_.error();
        if (problem_)
            return *std::move(problem_);
        return std::move(request_);
    }

  private:
    bool document() {
        in_.skip_space();
        if (!in_.at('{')) {
            report("", "must be a JSON object");
            return skip_value();
        }
        in_.take('{');
        in_.skip_space();
        if (in_.take('}'))
            return true;
        for (;;) {
            if (!member())
                return false;
            in_.skip_space();
            if (in_.take('}'))
                return true;
            if (!in_.take(','))
                return in_.fail_unexpected("',' or '}' after a member");
        }
    }

    bool member() {
        in_.skip_space();
        if (!in_.at('"'))
            return in_.fail_unexpected("a member's name in double quotes");
        std::size_t const offset = in_.position();
        std::string quoted;
        if (!in_.string(quoted))
            return false;
        std::string_view const name = std::string_view(quoted).substr(1, quoted.size() - 2);
        in_.skip_space();
        if (!in_.take(':'))
            return in_.fail_unexpected("':' after a member's name");
        in_.set_root(cut_key(name));
        bool const read = member_value(name, offset);
        in_.set_root({});
        return read;
    }

    bool member_value(std::string_view name, std::size_t offset) {
        if (name == "payload")
            return payload(offset);
        for (auto const& known : text_members)
            if (name == known.name)
                return text(known, offset);
        report(cut_key(name), "is not known: the members are account_id, event_type, id, payload, timestamp and "
                              "traceparent");
        return skip_value();
    }

    bool payload(std::size_t offset) {
        if (std::exchange(payload_seen_, true))
            return repeated("payload", offset);
        in_.skip_space();
        if (!in_.at('{')) {
            report("payload", "must be a JSON object");
            return skip_value();
        }
        if (!in_.value(request_.payload))
            return false;
        if (auto const reserved = in_.reserved_member(); !reserved.empty())
            report("payload." + std::string(reserved),
                   "is a member that the body has of its own: give the payload's another name, or nest it");
        return true;
    }

    bool text(text_member const& member, std::size_t offset) {
        auto& where = request_.*member.where;
        if (where)
            return repeated(member.name, offset);
        where.emplace();
        in_.skip_space();
        if (!in_.at('"')) {
            report(member.name, "must be a string");
            return skip_value();
        }
        std::string quoted;
        if (!in_.string(quoted))
            return false;
        *where = unescape(quoted);
        if (where->find('\0') != std::string::npos)
            report(member.name, "must not contain U+0000");
        return true;
    }

    bool repeated(std::string_view name, std::size_t offset) {
        in_.set_root({}); // the place is the request, not one of its members
        return in_.fail_at(offset, "duplicate key \"" + std::string(name) + "\"");
    }

    bool skip_value() {
        std::string dropped;
        return in_.value(dropped);
    }

    void report(std::string_view field, std::string_view what) {
        if (!problem_)
            problem_ = field_error{std::string(field), std::string(what)};
    }

    json_reader in_;
    publish_request request_;
    bool payload_seen_ = false;
    std::optional<field_error> problem_;
};

} // namespace

std::variant<publish_request, json_error, field_error> parse_publish_request(std::string_view text,
                                                                             json_limits limits) {
    return publish_reader(text, limits).read();
}

} // namespace klen::webhooks::event
