#include "kit/events.hpp"

#include "kit/load.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <random>
#include <stdexcept>

namespace klen::bench {

namespace {

/// Numbers are written with this added: always the same number of digits.
constexpr std::uint64_t number_base = 1'000'000'000'000;
constexpr std::string_view number_key = "\"seq\":";

std::string request_head(std::string const& path, std::string const& key, std::size_t length) {
    return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(length) + "\r\nAuthorization: Bearer " + key + "\r\n\r\n";
}

} // namespace

std::string account_name(std::size_t n) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "a%07zu", n);
    return text.data();
}

std::string prose(std::size_t bytes) {
    static constexpr std::array words{
        "the",  "caller", "asked",   "whether", "an",   "appointment", "on",    "Tuesday",  "could",  "be",     "moved",
        "to",   "later",  "because", "of",      "a",    "train",       "that",  "was",      "late",   "and",    "agent",
        "said", "yes",    "then",    "thanked", "them", "for",         "their", "patience", "before", "hanging"};
    std::minstd_rand random(1);
    std::string out;
    out.reserve(bytes + 16);
    while (out.size() < bytes) {
        out += words[random() % words.size()];
        out += random() % 8 == 0 ? std::to_string(random() % 100'000) : " ";
    }
    out.resize(bytes);
    return out;
}

void make_webhooks(std::uint16_t api_port, std::string const& key, std::size_t count,
                   std::function<new_webhook(std::size_t)> const& describe) {
    load_plan plan;
    plan.port = api_port;
    plan.connections = 16; // an account may have so many calls under way, and twice as many
    plan.calls_max = count;
    plan.write = [&](std::string& out, std::uint64_t n) {
        auto const what = describe(n);
        auto const body = R"({"name":"bench","subscribed_events":["*"],"url":")" + what.url + R"("})";
        out += request_head("/api/v1/webhooks?account_id=" + account_name(what.account), key, body.size()) + body;
    };
    auto const made = run_load(plan);
    if (made.accepted != count)
        throw std::runtime_error("webhooks could not be made: " + made.first_refusal);
}

event_requests::event_requests(shape what, std::string const& key) : shape_(what) {
    before_account_ = R"({"account_id":")";
    before_number_ = R"(","event_type":"call.ended","payload":{"call":{)" + std::string(number_key);
    // What a receiver gets has type and time, too, but no account: about 100 bytes around the padding.
    constexpr std::size_t around = 100;
    auto const padding = shape_.body_bytes > around ? shape_.body_bytes - around : 1;
    after_number_ = R"(,"pad":")" + prose(padding) + R"("}}})";
    std::string one;
    write_event(one, 0);
    auto const length = shape_.batch == 1 ? one.size() : shape_.batch * (one.size() + 1) + 1;
    head_ = request_head("/api/v1/events", key, length);
}

void event_requests::write_event(std::string& out, std::uint64_t n) const {
    out += before_account_;
    out += account_name(shape_.first_account + n % shape_.accounts);
    out += before_number_;
    std::array<char, 24> digits{};
    auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number_base + n).ptr;
    out.append(digits.data(), end);
    out += after_number_;
}

void event_requests::write(std::string& out, std::uint64_t n) const {
    out += head_;
    if (shape_.batch == 1)
        return write_event(out, n);
    for (std::size_t i = 0; i < shape_.batch; ++i) {
        out += i == 0 ? '[' : ',';
        write_event(out, n * shape_.batch + i);
    }
    out += ']';
}

std::uint64_t event_number_in(std::string_view body) {
    auto const at = body.find(number_key);
    std::uint64_t n = number_base;
    if (at != std::string_view::npos)
        std::from_chars(body.data() + at + number_key.size(), body.data() + body.size(), n);
    return n - number_base;
}

} // namespace klen::bench
