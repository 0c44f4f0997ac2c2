#include "faults/fault_proxy.hpp"

#include <algorithm>
#include <vector>

#include <poll.h>

namespace klen::webhooks::faults {

fault_proxy::fault_proxy(std::string socket_path, std::uint64_t seed)
    : socket_path_(std::move(socket_path)), random_(seed), listener_(listen_on_loopback(port_)),
      thread_([this] { serve(); }) {}

fault_proxy::~fault_proxy() {
    set(stopping_, true);
    thread_.join();
}

void fault_proxy::drop_packets(bool on) {
    drops_ = on;
    black_hole(on);
}

/// A filter that lets nothing in stands before TCP: nothing is acknowledged.
void fault_proxy::judge_dropping() {
    if (dropping_ == drops_)
        return;
    dropping_ = drops_;
    let_packets_in(listener_.get(), !dropping_);
    for (auto const& l : links_)
        let_packets_in(l.client.get(), !dropping_);
}

void fault_proxy::set_trap(trap next) {
    std::lock_guard lock(mutex_);
    trap_ = std::move(next);
}

void fault_proxy::clear_trap() {
    std::lock_guard lock(mutex_);
    trap_.reset();
}

bool fault_proxy::trap_is_set() const {
    std::lock_guard lock(mutex_);
    return trap_.has_value();
}

int fault_proxy::wait_ms() const {
    auto first = steady::now() + std::chrono::seconds(1);
    for (auto const& l : links_) {
        if (!l.late.empty())
            first = std::min(first, l.late.front().due);
        if (trickle_ms_ > 0 && !l.to_client.empty())
            first = std::min(first, l.next_byte);
    }
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(first - steady::now()).count();
    return static_cast<int>(std::max<std::int64_t>(0, left));
}

void fault_proxy::serve() {
    std::vector<pollfd> watched;
    while (!stopping_) {
        watched.assign({{wake_.reader(), POLLIN, 0}, {listener_.get(), POLLIN, 0}});
        if (!hole_)
            for (auto const& l : links_) {
                bool const slowly = trickle_ms_ > 0;
                watched.push_back(
                    {l.client.get(), static_cast<short>(l.to_client.empty() || slowly ? POLLIN : POLLIN | POLLOUT), 0});
                watched.push_back(
                    {l.server.get(), static_cast<short>(l.to_server.empty() ? POLLIN : POLLIN | POLLOUT), 0});
            }
        ::poll(watched.data(), watched.size(), hole_ ? 1000 : wait_ms());
        wake_.drain();
        judge_dropping();
        bool const all_reset = reset_all_.exchange(false);
        bool const all_half = half_close_all_.exchange(false);
        std::size_t at = 2;
        for (auto& l : links_) {
            if (all_reset)
                end(l, true);
            if (all_half && !l.ended)
                l.client.half_close();
            if (hole_ || at + 1 >= watched.size())
                continue;
            bool const asks = watched[at].revents != 0;
            bool const answers = watched[at + 1].revents != 0;
            at += 2;
            if (asks && !l.ended)
                question(l);
            if (answers && !l.ended)
                answer(l);
            if (!l.ended)
                pass_answers(l);
        }
        links_.remove_if([](link const& l) { return l.ended; });
        accept_all();
    }
}

void fault_proxy::accept_all() {
    for (auto client = accept_from(listener_); client; client = accept_from(listener_)) {
        auto server = connect_to_unix(socket_path_);
        if (!server)
            continue; // refused: so is the client
        links_.emplace_back();
        links_.back().client = std::move(client);
        links_.back().server = std::move(server);
        links_.back().reset_at = reset_at_;
    }
}

void fault_proxy::end(link& l, bool with_reset) {
    if (with_reset && l.client)
        l.client.reset();
    l.ended = true;
    l.client.close();
    l.server.close();
}

/// Bytes of the daemon.
void fault_proxy::question(link& l) {
    std::string said;
    if (read_some(l.client.get(), said) == io::closed)
        return end(l, false);
    if (!l.started) {
        l.application += said;
        l.started = l.application.find("application_name") != std::string::npos;
    } else if (!said.empty() && !l.armed) {
        spring(l, said);
        if (l.ended)
            return;
    }
    l.to_server += said;
    if (!l.to_server.empty() && write_some(l.server.get(), l.to_server) == io::closed)
        return end(l, false);
    if (l.armed == cut::within_question || l.armed == cut::after_question)
        end(l, true);
}

/// Looks whether `question` is the one that the trap waits for.
void fault_proxy::spring(link& l, std::string& question) {
    std::lock_guard lock(mutex_);
    if (!trap_ || l.application.find(trap_->application) == std::string::npos ||
        question.find(trap_->text) == std::string::npos || question.front() == 'P')
        return; // 'P': it is being prepared
    if (trap_->let_pass-- > 0)
        return;
    l.armed = trap_->where;
    if (--trap_->times <= 0)
        trap_.reset();
    ++snapped_;
    if (l.armed == cut::before_question)
        end(l, true);
    else if (l.armed == cut::within_question)
        question.resize(question.size() / 2);
}

/// Bytes of PostgreSQL.
void fault_proxy::answer(link& l) {
    std::string said;
    if (read_some(l.server.get(), said) == io::closed)
        return end(l, false);
    if (said.empty())
        return;
    if (l.armed == cut::before_answer)
        return end(l, true);
    if (l.armed == cut::within_answer) {
        said.resize(1 + random_() % said.size());
        write_some(l.client.get(), said);
        return end(l, true);
    }
    l.late.push_back({steady::now() + std::chrono::milliseconds(delay_ms_.load()), std::move(said)});
}

void fault_proxy::pass_answers(link& l) {
    auto const now = steady::now();
    while (!l.late.empty() && l.late.front().due <= now) {
        l.to_client += l.late.front().bytes;
        l.late.pop_front();
    }
    if (l.to_client.empty())
        return;
    auto const before = l.to_client.size();
    if (l.reset_at >= 0 && l.answered + static_cast<std::int64_t>(before) >= l.reset_at) {
        l.to_client.resize(static_cast<std::size_t>(l.reset_at - l.answered));
        write_some(l.client.get(), l.to_client);
        return end(l, true);
    }
    auto sent = io::blocked;
    if (trickle_ms_ > 0) {
        if (l.next_byte > now)
            return;
        std::string first = l.to_client.substr(0, 1);
        sent = write_some(l.client.get(), first);
        if (sent == io::done)
            l.to_client.erase(0, 1);
        l.next_byte = now + std::chrono::milliseconds(trickle_ms_.load());
    } else {
        sent = write_some(l.client.get(), l.to_client);
    }
    l.answered += static_cast<std::int64_t>(before - l.to_client.size());
    if (sent == io::closed)
        end(l, false);
}

} // namespace klen::webhooks::faults
