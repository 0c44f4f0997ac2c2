#include "event_type_calls.hpp"

#include "optional_values.hpp"
#include "webhook_rows.hpp"

namespace klen::webhooks::store {

namespace {

#define KLEN_TYPE_COLUMNS "event_type, description, sample, built_in, " KLEN_TIME("created_at")
constexpr statement list_types{"list_event_types", "SELECT " KLEN_TYPE_COLUMNS " FROM event_types ORDER BY event_type"};
constexpr statement show_type{"show_event_type",
                              "SELECT " KLEN_TYPE_COLUMNS " FROM event_types WHERE event_type = $1::text"};
constexpr statement add_type{"add_event_type", "INSERT INTO event_types (event_type, description, sample)"
                                               " VALUES ($1::text, $2::text, nullif($3::text, '')::json)"
                                               " ON CONFLICT DO NOTHING RETURNING " KLEN_TYPE_COLUMNS};
constexpr statement change_type{"change_event_type",
                                "UPDATE event_types SET description = coalesce(($2::text[])[1], description),"
                                " sample = CASE WHEN ($3::text[])[1] IS NULL THEN sample"
                                "  ELSE nullif(($3::text[])[1], '')::json END,"
                                " changed_at = clock_timestamp()"
                                " WHERE event_type = $1::text AND NOT built_in RETURNING " KLEN_TYPE_COLUMNS};
constexpr statement delete_type{"delete_event_type",
                                "DELETE FROM event_types WHERE event_type = $1::text AND NOT built_in"};

event_type_row type_at(rows const& from, std::size_t row) {
    event_type_row out;
    out.event_type = from.text(row, 0);
    out.description = from.text(row, 1);
    out.sample = from.text(row, 2);
    out.built_in = from.boolean(row, 3);
    out.created_at = time_at(from, row, 4);
    return out;
}

result<std::optional<event_type_row>> find_type(session& on, std::string const& event_type) {
    auto const found = on.run(show_type, parameters().text(event_type));
    if (!found)
        return found.error();
    if (found->empty())
        return std::optional<event_type_row>();
    return std::optional(type_at(*found, 0));
}

/// Why nothing was changed or deleted: it is not there, or it is built in.
result<void> why_untouched(session& on, std::string const& event_type) {
    auto const there = find_type(on, event_type);
    if (!there)
        return there.error();
    if (!*there)
        return failure{fault::not_found, "there is no such event type"};
    if ((*there)->built_in)
        return failure{fault::conflict, "the event type is built in"};
    return failure{fault::database_busy, "the event type was added just now"};
}

} // namespace

result<std::vector<event_type_row>> read_event_types(session& on) {
    auto const found = on.run(list_types);
    if (!found)
        return found.error();
    std::vector<event_type_row> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.push_back(type_at(*found, i));
    return out;
}

result<event_type_row> insert_event_type(session& on, event_type_row const& type, bool may_be_ours) {
    auto const added = on.run(add_type, parameters().text(type.event_type).text(type.description).text(type.sample));
    if (!added)
        return added.error();
    if (!added->empty())
        return type_at(*added, 0);
    failure const exists{fault::conflict, "the event type exists already"};
    if (!may_be_ours)
        return exists;
    auto const there = find_type(on, type.event_type);
    if (!there)
        return there.error();
    bool const ours =
        *there && !(*there)->built_in && (*there)->description == type.description && (*there)->sample == type.sample;
    if (!ours)
        return exists;
    return **there;
}

result<event_type_row> update_event_type(session& on, std::string const& event_type,
                                         std::optional<std::string> const& description,
                                         std::optional<std::string> const& sample) {
    auto const changed =
        on.run(change_type, parameters().text(event_type).array(nullable(description)).array(nullable(sample)));
    if (!changed)
        return changed.error();
    if (changed->empty())
        return why_untouched(on, event_type).error();
    return type_at(*changed, 0);
}

result<void> remove_event_type(session& on, std::string const& event_type, bool may_be_ours) {
    auto const removed = on.run(delete_type, parameters().text(event_type));
    if (!removed)
        return removed.error();
    if (removed->affected() > 0)
        return {};
    auto why = why_untouched(on, event_type);
    if (may_be_ours && why.error().kind == fault::not_found)
        return {};
    return why;
}

} // namespace klen::webhooks::store
