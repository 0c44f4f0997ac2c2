#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace klen::webhooks::egress {

/// A map of so many entries at most: the one that was renewed longest ago makes room. However many keys strangers make
/// up, memory stays bounded, and what is new works. Not thread-safe.
template <class Value>
class recent_map {
  public:
    /// At least one.
    explicit recent_map(std::size_t entries_max) : entries_max_(entries_max) {}
    recent_map(recent_map const&) = delete;
    recent_map& operator=(recent_map const&) = delete;

    /// Null when there is none. Valid until the entry goes.
    Value* find(std::string_view key) {
        auto const at = by_key_.find(key);
        return at == by_key_.end() ? nullptr : &at->second->value;
    }
    /// The key's value, an empty one when it had none; it is the newest from now on.
    Value& renew(std::string_view key) {
        if (auto const at = by_key_.find(key); at != by_key_.end()) {
            entries_.splice(entries_.end(), entries_, at->second);
            return at->second->value;
        }
        while (entries_.size() >= entries_max_)
            erase(entries_.front().key);
        auto& added = entries_.emplace_back(std::string(key));
        by_key_.emplace(added.key, std::prev(entries_.end()));
        return added.value;
    }
    void erase(std::string_view key) {
        auto const at = by_key_.find(key);
        if (at == by_key_.end())
            return;
        auto const which = at->second;
        by_key_.erase(at); // it refers to the entry's key
        entries_.erase(which);
    }
    std::size_t size() const { return entries_.size(); }

  private:
    struct entry {
        explicit entry(std::string k) : key(std::move(k)) {}
        std::string const key;
        Value value{};
    };
    std::size_t entries_max_;
    std::list<entry> entries_; ///< oldest first
    std::unordered_map<std::string_view, typename std::list<entry>::iterator> by_key_;
};

} // namespace klen::webhooks::egress
