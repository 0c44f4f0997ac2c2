#include "dispatch/scripted_client.hpp"

#include <algorithm>

namespace klen::webhooks::testing {

std::string seen_request::header(std::string_view name) const {
    auto const start = "\r\n" + std::string(name) + ": ";
    auto const lines = "\r\n" + headers;
    auto const found = lines.find(start);
    if (found == std::string::npos)
        return {};
    auto const from = found + start.size();
    return lines.substr(from, lines.find("\r\n", from) - from);
}

std::size_t receivers::count(std::string_view host) const {
    return static_cast<std::size_t>(
        std::count_if(seen.begin(), seen.end(), [host](auto const& r) { return r.host == host; }));
}

std::vector<seen_request> receivers::of(std::string_view delivery) const {
    std::vector<seen_request> out;
    for (auto const& r : seen)
        if (r.header("X-Klen-Delivery-ID") == delivery)
            out.push_back(r);
    return out;
}

task<policy::attempt_result> scripted_client::post(egress::post_request request) {
    seen_request const saw{world_.now(),
                           request.to->host,
                           request.to->path_and_query,
                           std::string(request.headers),
                           std::string(request.body),
                           number_};
    all_.seen.push_back(saw);
    all_.open_most[saw.host] = std::max(all_.open_most[saw.host], ++all_.open[saw.host]);
    all_.open_by_path_most[saw.path] = std::max(all_.open_by_path_most[saw.path], ++all_.open_by_path[saw.path]);
    scripted_answer answer;
    if (auto const at = all_.script.find(saw.host); at != all_.script.end())
        answer = at->second(saw);
    auto const deadline = request.deadline;
    auto const ends = std::min(saw.at + answer.after, deadline);
    co_await world_.sleep_until(of_, ends);
    --all_.open[saw.host];
    --all_.open_by_path[saw.path];

    policy::attempt_result out;
    out.duration = std::chrono::duration_cast<std::chrono::microseconds>(world_.now() - saw.at);
    if (saw.at + answer.after > deadline) {
        out.error = policy::error_class::timeout;
    } else if (answer.status == 0) {
        out.error = answer.error;
    } else {
        out.status = answer.status;
        out.retry_after = answer.retry_after;
        out.error = answer.status / 100 == 2 ? policy::error_class::none : policy::error_class::http_status;
    }
    co_return out;
}

} // namespace klen::webhooks::testing
