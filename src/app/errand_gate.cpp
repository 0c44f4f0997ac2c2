#include "app/errand_gate.hpp"

#include <utility>

namespace klen::webhooks::app {

errand_gate::ticket::ticket(std::shared_ptr<errand_gate> at, std::string account_id)
    : at_(std::move(at)), account_id_(std::move(account_id)), got_(at_->enter(account_id_)) {}

errand_gate::ticket::~ticket() {
    if (got_ == answer::entered)
        at_->leave(account_id_);
}

errand_gate::answer errand_gate::enter(std::string const& account_id) {
    std::lock_guard lock(mutex_);
    auto const own = of_account_.find(account_id);
    if (own != of_account_.end() && own->second >= most_.per_account)
        return answer::account_is_full;
    if (inside_ >= most_.all)
        return answer::is_full;
    ++inside_;
    ++of_account_[account_id];
    return answer::entered;
}

void errand_gate::leave(std::string const& account_id) {
    std::lock_guard lock(mutex_);
    --inside_;
    auto const own = of_account_.find(account_id);
    if (--own->second == 0)
        of_account_.erase(own);
}

} // namespace klen::webhooks::app
