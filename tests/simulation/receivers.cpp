#include "simulation/receivers.hpp"

#include <algorithm>
#include <array>

namespace klen::webhooks::simulation {

using policy::attempt_result;
using policy::error_class;

namespace {

/// Tells the checker when a request's coroutine ends without an end.
class watched {
  public:
    watched(checker& by, std::size_t attempt) : by_(&by), attempt_(attempt) {}
    watched(watched const&) = delete;
    watched& operator=(watched const&) = delete;
    ~watched() { by_->attempt_dropped(attempt_); }

  private:
    checker* by_;
    std::size_t attempt_;
};

constexpr std::array before_the_request{error_class::dns_not_found, error_class::dns_failure,
                                        error_class::connect_refused, error_class::connect_failure,
                                        error_class::tls_failure};

} // namespace

task<attempt_result> sim_client::post(egress::post_request request) {
    attempt_result out;
    out.error = error_class::connection_reset;
    if (machine_.dead())
        co_return out;
    auto const attempt = check_.attempt_begins(who_, request);
    if (!check_.violation().empty())
        co_return out;
    watched const end(check_, attempt);
    out = co_await exchange(request, attempt);
    if (!machine_.dead())
        check_.attempt_ended(attempt, out);
    co_return out;
}

task<attempt_result> sim_client::exchange(egress::post_request request, std::size_t attempt) {
    auto& chance = world_.chance;
    attempt_result out;
    if (chance.chance(weather_.local_failures)) {
        out.error = error_class::local_failure;
        co_return out;
    }
    bool const bad = chance.chance(weather_.bad_connections);
    bool const fails = bad && chance.chance(0.5); // else it is slow
    auto const connect = bad ? chance.between(milliseconds(0), milliseconds(4000)) : milliseconds(chance.between(0, 2));
    co_await machine_.sleep_until(std::min(machine_.steady() + connect, request.deadline));
    bool const too_late = machine_.steady() >= request.deadline;
    if (fails || too_late || machine_.dead()) {
        out.error = too_late ? error_class::connect_timeout : before_the_request.at(chance.below(5));
        co_return out;
    }
    bool const may_send = request.may_send == nullptr || (*request.may_send)();
    if (!may_send) {
        out.error = error_class::local_failure;
        co_return out;
    }
    check_.attempt_is_written(attempt);
    bool const slow = chance.chance(weather_.slow_answers);
    auto const after =
        slow ? chance.between(milliseconds(100), milliseconds(12'000)) : milliseconds(chance.between(0, 20));
    auto const answered_at = machine_.steady() + after;
    co_await machine_.sleep_until(std::min(answered_at, request.deadline));
    if (machine_.steady() < answered_at || answered_at > request.deadline)
        out.error = error_class::timeout;
    else
        out = answer();
    co_return out;
}

attempt_result sim_client::answer() const {
    auto& chance = world_.chance;
    attempt_result out;
    out.status = 200;
    if (chance.chance(weather_.gone_answers)) {
        out.status = 410;
    } else if (chance.chance(weather_.asking_answers)) {
        out.status = chance.chance(0.5) ? 503 : 429;
        out.retry_after = seconds(chance.between(0, 15));
    } else if (chance.chance(weather_.bad_answers)) {
        out.status = chance.chance(0.5) ? 500 : 0;
    }
    if (out.status == 0)
        out.error = error_class::connection_reset;
    else if (out.status != 200)
        out.error = error_class::http_status;
    return out;
}

} // namespace klen::webhooks::simulation
