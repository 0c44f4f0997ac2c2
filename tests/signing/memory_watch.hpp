#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace klen::webhooks::testing {

/// What is left in the memory that a program gives back. Programs that link this have operators new and delete, and
/// functions for OpenSSL's memory, that look at each block once more before it goes. One watch at a time; what other
/// threads free counts, too.
class memory_watch {
  public:
    memory_watch();
    ~memory_watch();
    memory_watch(memory_watch const&) = delete;
    memory_watch& operator=(memory_watch const&) = delete;

    /// A block that was freed since held it at that moment.
    bool freed(std::string_view what) const;
    /// More was freed than can be remembered: the answers above mean nothing.
    bool overflowed() const;
};

/// OpenSSL has it in a block that it did not free.
bool openssl_holds(std::string_view what);
/// OpenSSL's memory is watched; false when it took some before that could be arranged.
bool openssl_is_watched();

/// Everything that is left on the stack after `what`, which is called on one of its own. What it calls last writes
/// over what was there before.
std::string stack_after(std::function<void()> const& what);

} // namespace klen::webhooks::testing
