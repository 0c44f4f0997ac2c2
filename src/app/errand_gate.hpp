#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace klen::webhooks::app {

/// How many errands of one kind may be under way, in all and for one account, so that no account takes the room of the
/// others. Thread-safe. Shared: the frame of a call that is dropped with its io_context may outlive whoever made it.
class errand_gate {
  public:
    struct limits {
        std::uint32_t all = 0;
        std::uint32_t per_account = 0;
    };
    enum class answer { entered, account_is_full, is_full };

    /// One errand's place, held until the end of its life if it was granted.
    class ticket {
      public:
        ticket(std::shared_ptr<errand_gate> at, std::string account_id);
        ~ticket();
        ticket(ticket const&) = delete;
        ticket& operator=(ticket const&) = delete;
        answer got() const { return got_; }

      private:
        std::shared_ptr<errand_gate> at_;
        std::string account_id_;
        answer got_;
    };

    explicit errand_gate(limits most) : most_(most) {}

  private:
    answer enter(std::string const& account_id);
    void leave(std::string const& account_id);

    limits const most_;
    std::mutex mutex_;
    std::uint32_t inside_ = 0;
    std::map<std::string, std::uint32_t> of_account_; ///< of those that have one inside
};

} // namespace klen::webhooks::app
