#include "faults/publisher.hpp"

#include "app/api_client.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace klen::webhooks::faults {

namespace json = boost::json;
using namespace std::chrono_literals;
using fate = published_event::fate;

namespace {

constexpr std::uint64_t repeat_one_in = 50; ///< of what was accepted: the same answer must come again

/// Whether the answer says for certain that nothing is stored.
bool certain(int status, std::string const& message) {
    if (status >= 400 && status < 500)
        return true;
    return status == 503 && (message.find("nothing was stored") != std::string::npos ||
                             message.find("shutting down") != std::string::npos);
}

std::string text_of(json::object const& in, char const* name) {
    auto const* found = in.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

} // namespace

publisher::publisher(options with) : options_(std::move(with)), random_(options_.seed) {
    list_ = descriptor(::open(options_.list_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!list_)
        throw std::runtime_error("cannot write " + options_.list_file);
    thread_ = std::thread([this] { run(); });
}

publisher::~publisher() {
    stopping_ = true;
    changed_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

void publisher::finish(std::chrono::milliseconds bound) {
    draining_ = true;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, bound, [this] { return unclear_.empty() && !calling_; });
    stopping_ = true;
    changed_.notify_all();
    lock.unlock();
    thread_.join();
}

std::vector<published_event> publisher::events() const {
    std::lock_guard lock(mutex_);
    return events_;
}

std::map<std::int64_t, publisher::second> publisher::seconds() const {
    std::lock_guard lock(mutex_);
    return seconds_;
}

std::vector<publisher::miss> publisher::misses() const {
    std::lock_guard lock(mutex_);
    return misses_;
}

std::vector<std::string> publisher::complaints() const {
    std::lock_guard lock(mutex_);
    return complaints_;
}

void publisher::run() {
    auto next = std::chrono::steady_clock::now();
    while (!stopping_) {
        auto const batch = next_batch();
        if (!batch.empty())
            publish(batch);
        calling_ = false;
        changed_.notify_all();
        auto const events = static_cast<double>(std::max<std::size_t>(batch.size(), 1));
        next += std::chrono::microseconds(static_cast<std::int64_t>(events * 1e6 / options_.events_per_second));
        next = std::max(next, std::chrono::steady_clock::now() - 50ms); // what was missed is not made up for
        std::unique_lock lock(mutex_);
        changed_.wait_until(lock, next, [this] { return stopping_.load(); });
    }
}

/// What is not clear first.
std::vector<std::size_t> publisher::next_batch() {
    std::lock_guard lock(mutex_);
    calling_ = true;
    auto const size = 1 + random_() % static_cast<std::uint64_t>(options_.batch_max);
    std::vector<std::size_t> out;
    while (!unclear_.empty() && out.size() < size) {
        out.push_back(unclear_.back());
        unclear_.pop_back();
    }
    if (!out.empty() || draining_)
        return out;
    while (out.size() < size) {
        out.push_back(events_.size());
        published_event fresh;
        fresh.key = options_.name + "-" + std::to_string(events_.size());
        fresh.account = options_.account;
        events_.push_back(std::move(fresh));
    }
    auto const older = random_() % events_.size();
    if (events_[older].is == fate::accepted && random_() % repeat_one_in == 0)
        out.push_back(older);
    return out;
}

std::string publisher::payload_of(std::size_t which) const {
    auto const padding = which * 37 % static_cast<std::size_t>(options_.padding_max);
    return R"({"account_id":")" + options_.account + R"(","event_type":"call.ended","id":")" + options_.name + "-" +
           std::to_string(which) + R"(","payload":{"call":{"key":")" + options_.name + "-" + std::to_string(which) +
           R"(","text":")" + std::string(padding, 'x') + R"("}}})";
}

void publisher::publish(std::vector<std::size_t> const& which) {
    auto const targets = options_.targets();
    auto const called = now_us();
    target_.clear();
    if (targets.empty()) {
        for (auto const one : which)
            judge(one, 0, "", "no instance", called);
        return;
    }
    std::string body = "[";
    for (auto const one : which)
        body += (body.size() > 1 ? "," : "") + payload_of(one);
    body += "]";
    target_ = targets[random_() % targets.size()];
    auto client = app::api_client::create(target_, options_.key).value();
    client.set_timeout(options_.timeout);
    auto const answer = client.call("POST", "/api/v1/events", body);
    if (answer)
        count(answer->status, answer->retry_after);
    json::error_code no_json;
    json::value const told = answer ? json::parse(answer->body, no_json) : json::value();
    auto const* all = told.is_object() ? told.as_object().if_contains("results") : nullptr;
    for (std::size_t i = 0; i < which.size(); ++i) {
        if (all != nullptr && i < all->as_array().size()) {
            auto const& one = all->as_array()[i].as_object();
            judge(which[i], one.at("status").to_number<int>(), text_of(one, "id"), text_of(one, "message"), called);
        } else {
            judge(which[i], answer ? answer->status : 0, "",
                  told.is_object() ? text_of(told.as_object(), "message") : std::string(), called);
        }
    }
    if (::fdatasync(list_.get()) != 0)
        throw std::runtime_error("a publisher's list cannot be synced");
}

void publisher::count(int status, std::string const& retry_after) {
    if (status != 503)
        return;
    std::lock_guard lock(mutex_);
    auto& tally = seconds_[now_us() / 1'000'000];
    ++tally.unavailable;
    if (retry_after.empty())
        ++tally.without_retry_after;
}

void publisher::judge(std::size_t which, int status, std::string const& event, std::string const& message,
                      wall_us called) {
    std::lock_guard lock(mutex_);
    auto& it = events_[which];
    auto const now = now_us();
    auto const took = std::chrono::milliseconds((now - called) / 1000);
    auto& tally = seconds_[now / 1'000'000];
    tally.slowest = std::max(tally.slowest, took);
    if (status == 202) {
        ++tally.accepted;
        if (it.is == fate::accepted && it.event != event)
            complaints_.push_back(it.key + " was accepted as " + it.event + " and as " + event);
        if (it.is == fate::refused)
            complaints_.push_back(it.key + " was refused for good, and accepted");
        if (it.is != fate::accepted) {
            it.is = fate::accepted;
            it.event = event;
            it.called = called;
            it.told = now;
            ++accepted_;
            note("accepted " + it.key + " " + event);
        }
        return;
    }
    tally.slowest_refusal = std::max(tally.slowest_refusal, took);
    it.why = std::to_string(status) + " " + message;
    if (!target_.empty())
        misses_.push_back({target_, called, now, status, it.why});
    if (it.is == fate::accepted)
        return; // a repeat of what is known to be stored
    if (certain(status, message) && !it.was_in_doubt) {
        ++tally.refused;
        it.is = fate::refused;
        it.called = called;
        it.told = now;
        note("refused " + it.key + " " + it.why);
        return;
    }
    ++tally.unclear;
    it.was_in_doubt = true;
    unclear_.push_back(which);
    note("unclear " + it.key + " " + it.why);
}

void publisher::note(std::string const& line) {
    auto text = line + "\n";
    if (::write(list_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw std::runtime_error("a publisher's list cannot be written");
}

} // namespace klen::webhooks::faults
