#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/intake/intake.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <shared_mutex>

namespace klen::webhooks::intake {

struct event_catalogue::impl {
    std::vector<std::string> extra;
    mutable std::shared_mutex mutex;
    std::set<std::string, std::less<>> known;

    void fill(std::vector<std::string> names) {
        std::set<std::string, std::less<>> fresh(extra.begin(), extra.end());
        fresh.insert(std::make_move_iterator(names.begin()), std::make_move_iterator(names.end()));
        std::unique_lock lock(mutex);
        known.swap(fresh);
    }
};

event_catalogue::event_catalogue(std::vector<std::string> extra) : impl_(std::make_shared<impl>()) {
    impl_->extra = std::move(extra);
    std::vector<std::string> names;
    for (auto const types : {event::built_in_event_types(), event::operational_event_types()})
        for (auto const& entry : types)
            names.push_back(entry.event_type);
    impl_->fill(std::move(names));
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

void event_catalogue::replace(std::vector<std::string> from_database) { impl_->fill(std::move(from_database)); }

} // namespace klen::webhooks::intake
