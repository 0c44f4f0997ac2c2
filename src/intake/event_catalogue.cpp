#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/intake/intake.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>

namespace klen::webhooks::intake {

namespace {

using name_set = std::set<std::string, std::less<>>;

} // namespace

struct event_catalogue::impl {
    struct change {
        std::string event_type;
        bool exists = false;
    };

    std::vector<std::string> extra;
    mutable std::shared_mutex mutex;
    name_set known;
    std::uint64_t changes_made = 0;
    std::deque<change> unread; ///< the last of them, which no reading is known to have

    void apply(change const& what, name_set& to) const {
        if (what.exists)
            to.insert(what.event_type);
        else if (std::ranges::find(extra, what.event_type) == extra.end())
            to.erase(what.event_type);
    }

    void fill(std::vector<std::string> names, std::optional<std::uint64_t> as_of) {
        name_set fresh(extra.begin(), extra.end());
        fresh.insert(std::make_move_iterator(names.begin()), std::make_move_iterator(names.end()));
        std::unique_lock lock(mutex);
        while (!unread.empty() && changes_made - unread.size() < as_of.value_or(changes_made))
            unread.pop_front();
        for (auto const& what : unread)
            apply(what, fresh);
        known.swap(fresh);
    }
};

event_catalogue::event_catalogue(std::vector<std::string> extra) : impl_(std::make_shared<impl>()) {
    impl_->extra = std::move(extra);
    std::vector<std::string> names;
    for (auto const types : {event::built_in_event_types(), event::operational_event_types()})
        for (auto const& entry : types)
            names.push_back(entry.event_type);
    impl_->fill(std::move(names), std::nullopt);
}

bool event_catalogue::knows(std::string_view event_type) const {
    std::shared_lock lock(impl_->mutex);
    return impl_->known.contains(event_type);
}

bool event_catalogue::knows_pattern(std::string_view pattern) const {
    std::vector<std::string> const one{std::string(pattern)};
    std::shared_lock lock(impl_->mutex);
    return pattern == "*" ||
           std::ranges::any_of(impl_->known, [&](std::string const& name) { return event::matches(one, name); });
}

std::vector<std::string> event_catalogue::names() const {
    std::shared_lock lock(impl_->mutex);
    return {impl_->known.begin(), impl_->known.end()};
}

void event_catalogue::replace(std::vector<std::string> from_database) {
    impl_->fill(std::move(from_database), std::nullopt);
}

void event_catalogue::replace(std::vector<std::string> from_database, std::uint64_t as_of) {
    impl_->fill(std::move(from_database), as_of);
}

void event_catalogue::note_change(std::string event_type, bool exists) {
    std::unique_lock lock(impl_->mutex);
    auto const& what = impl_->unread.emplace_back(impl::change{std::move(event_type), exists});
    ++impl_->changes_made;
    impl_->apply(what, impl_->known);
}

std::uint64_t event_catalogue::change_count() const {
    std::shared_lock lock(impl_->mutex);
    return impl_->changes_made;
}

} // namespace klen::webhooks::intake
