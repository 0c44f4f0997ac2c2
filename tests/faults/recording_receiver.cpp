#include "faults/recording_receiver.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <algorithm>
#include <charconv>

#include <poll.h>

namespace klen::webhooks::faults {

namespace {

using clock = std::chrono::steady_clock;

/// The value of a header line; the daemon writes their names as here.
std::string_view field(std::string_view head, std::string_view name) {
    auto const line = "\r\n" + std::string(name) + ": ";
    auto const at = head.find(line);
    if (at == std::string_view::npos)
        return {};
    auto const begin = at + line.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
}

template <class T = int>
T number(std::string_view text) {
    T out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

std::string key_in(std::string_view body) {
    constexpr std::string_view before = R"("key":")";
    auto const at = body.find(before);
    if (at == std::string_view::npos)
        return {};
    auto const begin = at + before.size();
    return std::string(body.substr(begin, body.find('"', begin) - begin));
}

} // namespace

recording_receiver::recording_receiver(script reacts)
    : reacts_(std::move(reacts)), listener_(listen_on_loopback(port_)), thread_([this] { serve(); }) {}

recording_receiver::~recording_receiver() {
    stopping_ = true;
    wake_.wake();
    thread_.join();
}

std::string recording_receiver::url(int webhook) const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/" + std::to_string(webhook);
}

std::vector<received_request> recording_receiver::requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
}

int recording_receiver::wait_ms() const {
    auto first = clock::now() + std::chrono::seconds(1);
    for (auto const& c : open_)
        if (c.act_at != clock::time_point{})
            first = std::min(first, c.act_at);
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(first - clock::now()).count();
    return static_cast<int>(std::max<std::int64_t>(0, left));
}

void recording_receiver::serve() {
    std::vector<pollfd> watched;
    while (!stopping_) {
        watched.assign({{wake_.reader(), POLLIN, 0}, {listener_.get(), POLLIN, 0}});
        for (auto const& c : open_)
            watched.push_back({c.link.get(), static_cast<short>(c.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        ::poll(watched.data(), watched.size(), wait_ms());
        std::size_t at = 2;
        for (auto& c : open_) {
            if (watched[at++].revents != 0)
                read_from(c);
            if (!c.ended && c.act_at != clock::time_point{} && c.act_at <= clock::now())
                act(c);
        }
        open_.remove_if([](connection const& c) { return c.ended; });
        for (auto next = accept_from(listener_); next; next = accept_from(listener_)) {
            open_.emplace_back();
            open_.back().link = std::move(next);
            open_.back().number = ++accepted_;
        }
        wake_.drain();
    }
}

void recording_receiver::read_from(connection& c) {
    if (!c.out.empty() && write_some(c.link.get(), c.out) == io::closed)
        c.ended = true;
    auto const got = read_some(c.link.get(), c.in);
    if (got == io::closed)
        c.ended = true;
    else if (got == io::done && !c.busy)
        take_request(c);
}

void recording_receiver::take_request(connection& c) {
    auto const end = c.in.find("\r\n\r\n");
    if (end == std::string::npos)
        return;
    auto const head = std::string_view(c.in).substr(0, end + 2);
    auto const size = static_cast<std::size_t>(number(field(head, "Content-Length")));
    if (c.in.size() < end + 4 + size)
        return;
    auto const body = std::string_view(c.in).substr(end + 4, size);
    received_request seen;
    seen.arrived = now_us();
    seen.delivery = field(head, "X-Klen-Delivery-ID");
    seen.attempt = number(field(head, "X-Klen-Attempt"));
    seen.sender = field(head, "User-Agent");
    seen.timestamp = number<std::int64_t>(field(head, "X-Klen-Timestamp"));
    seen.event_key = key_in(body);
    seen.body_hash = hex_encode(signing::sha256(body));
    seen.webhook = number(head.substr(head.find('/') + 1));
    seen.connection = c.number;
    c.in.erase(0, end + 4 + size);
    c.next = reacts_(seen);
    c.busy = true;
    c.closing = false;
    c.act_at = c.next.what == reaction::how::hang ? clock::time_point{} : clock::now() + c.next.delay;
    {
        std::lock_guard lock(mutex_);
        c.request = requests_.size();
        requests_.push_back(std::move(seen));
    }
    ++count_;
    if (c.next.what != reaction::how::hang && c.next.delay.count() == 0)
        act(c);
}

void recording_receiver::act(connection& c) {
    c.act_at = {};
    if (c.closing) {
        c.ended = true;
        return;
    }
    if (c.kept_back.empty())
        begin_answer(c);
    if (c.ended)
        return;
    auto const now = c.next.byte_every.count() > 0 ? 1 : c.kept_back.size();
    c.out += c.kept_back.substr(0, now);
    c.kept_back.erase(0, now);
    if (write_some(c.link.get(), c.out) == io::closed)
        c.ended = true;
    if (!c.kept_back.empty()) {
        c.act_at = clock::now() + c.next.byte_every;
        return;
    }
    c.busy = false;
    if (c.next.close_after.count() >= 0) {
        c.closing = true;
        c.act_at = clock::now() + c.next.close_after;
    }
}

void recording_receiver::begin_answer(connection& c) {
    bool const breaks = c.next.what == reaction::how::reset;
    {
        std::lock_guard lock(mutex_);
        auto& seen = requests_[c.request];
        seen.broken = breaks;
        seen.answered = now_us();
        seen.status = breaks ? 0 : c.next.status;
    }
    if (breaks) {
        c.link.reset();
        c.ended = true;
        return;
    }
    c.kept_back = "HTTP/1.1 " + std::to_string(c.next.status) + " x\r\nContent-Length: 2\r\n\r\nok";
}

} // namespace klen::webhooks::faults
