#include "signing/memory_watch.hpp"

#include <openssl/crypto.h>

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <stdexcept>

namespace klen::webhooks::testing {

namespace {

/// In front of every block, so that its size is the one that was asked for: what lies behind is nobody's.
struct alignas(std::max_align_t) block {
    std::size_t size;
    block* before; ///< of OpenSSL's
    block* behind;

    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    std::string_view text() { return {bytes(), size}; }
    static block* of(void* bytes) { return static_cast<block*>(bytes) - 1; }
};

constexpr std::size_t remembered_max = std::size_t{4} << 20;

/// Never destroyed: memory is freed until the very end.
struct state {
    std::mutex mutex;
    block* openssl = nullptr; ///< the first of its blocks
    char* remembered = static_cast<char*>(std::malloc(remembered_max));
    std::size_t used = 0;
    bool watching = false;
    bool overflowed = false;
};

state& the() {
    alignas(state) static std::byte place[sizeof(state)];
    static state* const out = new (place) state;
    return *out;
}

/// Allocates nothing: the lock is held.
bool holds(std::string_view in, std::string_view what) { return in.find(what) != std::string_view::npos; }

block* take(std::size_t size) {
    auto* const out = static_cast<block*>(std::malloc(sizeof(block) + size));
    if (out != nullptr)
        *out = {size, nullptr, nullptr};
    return out;
}

void remember(block* which) {
    auto& all = the();
    if (!all.watching)
        return;
    if (which->size >= remembered_max - all.used) {
        all.overflowed = true;
        return;
    }
    std::memcpy(all.remembered + all.used, which->bytes(), which->size);
    all.used += which->size;
    all.remembered[all.used++] = '\0'; // two blocks make no text together
}

void* allocate(std::size_t size) {
    auto* const out = take(size);
    return out == nullptr ? nullptr : out->bytes();
}

void give_back(void* bytes) {
    if (bytes == nullptr)
        return;
    auto* const which = block::of(bytes);
    {
        std::lock_guard const lock(the().mutex);
        remember(which);
    }
    std::free(which);
}

void* openssl_allocate(std::size_t size, char const*, int) {
    auto* const out = take(size);
    if (out == nullptr)
        return nullptr;
    auto& all = the();
    std::lock_guard const lock(all.mutex);
    out->behind = all.openssl;
    if (out->behind != nullptr)
        out->behind->before = out;
    all.openssl = out;
    return out->bytes();
}

void openssl_give_back(void* bytes, char const*, int) {
    if (bytes == nullptr)
        return;
    auto* const which = block::of(bytes);
    {
        auto& all = the();
        std::lock_guard const lock(all.mutex);
        remember(which);
        (which->before != nullptr ? which->before->behind : all.openssl) = which->behind;
        if (which->behind != nullptr)
            which->behind->before = which->before;
    }
    std::free(which);
}

void* openssl_change(void* bytes, std::size_t size, char const* file, int line) {
    void* const out = openssl_allocate(size, file, line);
    if (out != nullptr && bytes != nullptr) {
        std::memcpy(out, bytes, std::min(size, block::of(bytes)->size));
        openssl_give_back(bytes, file, line);
    }
    return out;
}

/// Before anything else asks OpenSSL for something.
bool const openssl_watched = CRYPTO_set_mem_functions(openssl_allocate, openssl_change, openssl_give_back) == 1;

} // namespace

memory_watch::memory_watch() {
    auto& all = the();
    std::lock_guard const lock(all.mutex);
    all.used = 0;
    all.overflowed = false;
    all.watching = true;
}

memory_watch::~memory_watch() {
    std::lock_guard const lock(the().mutex);
    the().watching = false;
}

bool memory_watch::freed(std::string_view what) const {
    auto& all = the();
    std::lock_guard const lock(all.mutex);
    return holds({all.remembered, all.used}, what);
}

bool memory_watch::overflowed() const {
    std::lock_guard const lock(the().mutex);
    return the().overflowed;
}

bool openssl_holds(std::string_view what) {
    auto& all = the();
    std::lock_guard const lock(all.mutex);
    for (auto* at = all.openssl; at != nullptr; at = at->behind)
        if (holds(at->text(), what))
            return true;
    return false;
}

bool openssl_is_watched() { return openssl_watched; }

namespace {

constexpr std::size_t stack_bytes = std::size_t{4} << 20; // a thread sanitizer needs one itself
/// Of the stack's upper end, where the thread itself lives and goes on to work afterwards.
constexpr std::size_t not_looked_at = std::size_t{128} << 10;

struct on_a_stack {
    std::function<void()> const* what;
    char* stack;
    char* left; ///< the lower part of the stack, as it was afterwards
};

/// Far below whatever is called after it.
[[gnu::noinline]] void call_deep_down(std::function<void()> const& what) {
    char volatile room[2 * not_looked_at];
    room[0] = 1;
    what();
    room[1] = room[0];
}

/// What sanitizers would not let anybody read: it is nobody's any more.
[[gnu::noinline, gnu::no_sanitize_address, gnu::no_sanitize_thread]] void
copy_all(char volatile const* from, char volatile* to, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        to[i] = from[i];
}

void* run_there(void* told) {
    auto const& with = *static_cast<on_a_stack*>(told);
    call_deep_down(*with.what);
    copy_all(with.stack, with.left, stack_bytes - not_looked_at);
    return nullptr;
}

} // namespace

std::string stack_after(std::function<void()> const& what) {
    void* const stack = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        throw std::runtime_error("no memory for a stack");
    std::string out(stack_bytes - not_looked_at, '\0');
    on_a_stack with{&what, static_cast<char*>(stack), out.data()};
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setstack(&how, stack, stack_bytes);
    pthread_t thread{};
    bool const begun = pthread_create(&thread, &how, run_there, &with) == 0;
    pthread_attr_destroy(&how);
    if (begun)
        pthread_join(thread, nullptr);
    ::munmap(stack, stack_bytes);
    if (!begun)
        throw std::runtime_error("no thread");
    return out;
}

} // namespace klen::webhooks::testing

namespace {

void* allocate_or_throw(std::size_t size) {
    void* const out = klen::webhooks::testing::allocate(size);
    if (out == nullptr)
        throw std::bad_alloc();
    return out;
}

} // namespace

// All of them: a sanitizer's library has its own, which know nothing of each other's.
void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return klen::webhooks::testing::allocate(size); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
    return klen::webhooks::testing::allocate(size);
}
void operator delete(void* bytes) noexcept { klen::webhooks::testing::give_back(bytes); }
void operator delete[](void* bytes) noexcept { klen::webhooks::testing::give_back(bytes); }
void operator delete(void* bytes, std::size_t) noexcept { klen::webhooks::testing::give_back(bytes); }
void operator delete[](void* bytes, std::size_t) noexcept { klen::webhooks::testing::give_back(bytes); }
void operator delete(void* bytes, std::nothrow_t const&) noexcept { klen::webhooks::testing::give_back(bytes); }
void operator delete[](void* bytes, std::nothrow_t const&) noexcept { klen::webhooks::testing::give_back(bytes); }
