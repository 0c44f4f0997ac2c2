#include "klen/webhooks/base/async.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>

#include <list>
#include <vector>

namespace klen::webhooks {

struct task_group::impl {
    struct member {
        asio::cancellation_signal signal;
        std::function<task<void>()> body; // kept here: a coroutine made from a lambda refers to the lambda
    };

    executor ex;
    std::string name;
    std::list<std::shared_ptr<member>> members;
    std::vector<std::function<void()>> waiting;
    bool cancelled = false;

    void ended(std::list<std::shared_ptr<member>>::iterator which, std::exception_ptr error) {
        members.erase(which);
        if (error)
            judge(error);
        if (!members.empty())
            return;
        auto wake = std::move(waiting);
        waiting.clear();
        for (auto& w : wake)
            w();
    }

    void judge(std::exception_ptr const& error) const {
        try {
            std::rethrow_exception(error);
        } catch (boost::system::system_error const& e) {
            if (cancelled && e.code() == asio::error::operation_aborted)
                return;
            bug("a task ended with an exception", {{"task_group", name}, {"error.message", e.what()}});
        } catch (std::exception const& e) {
            bug("a task ended with an exception", {{"task_group", name}, {"error.message", e.what()}});
        }
    }
};

task_group::task_group(executor ex, std::string name) : impl_(std::make_shared<impl>()) {
    impl_->ex = std::move(ex);
    impl_->name = std::move(name);
}

task_group::~task_group() {
    // An executor that is being destroyed drops its coroutines; what is left here then is harmless. A live one with
    // members left means that nobody waited: their frames would refer to what is about to be freed.
}

bool task_group::spawn(std::function<task<void>()> body) {
    auto s = impl_;
    if (s->cancelled)
        return false;
    auto m = std::make_shared<impl::member>();
    m->body = std::move(body);
    auto where = s->members.insert(s->members.end(), m);
    auto done = [s, m, where](std::exception_ptr error) { s->ended(where, error); };
    asio::co_spawn(s->ex, m->body(), asio::bind_cancellation_slot(m->signal.slot(), std::move(done)));
    return true;
}

void task_group::cancel() {
    auto s = impl_;
    if (s->cancelled)
        return;
    s->cancelled = true;
    auto const members = s->members; // a member may end inside emit
    for (auto const& m : members)
        m->signal.emit(asio::cancellation_type::terminal);
}

bool task_group::cancelled() const { return impl_->cancelled; }
bool task_group::empty() const { return impl_->members.empty(); }
std::size_t task_group::size() const { return impl_->members.size(); }

task<void> task_group::wait_empty() {
    auto s = impl_;
    while (!s->members.empty()) {
        one_shot<bool> emptied;
        auto set = emptied.set();
        s->waiting.push_back([set] { set(true); });
        co_await emptied.wait();
    }
}

} // namespace klen::webhooks
