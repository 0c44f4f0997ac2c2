#include "app/commands/api_call.hpp"

#include "app/commands/complain.hpp"
#include "app/json_text.hpp"
#include "app/views/views.hpp"

#include <algorithm>

#include <unistd.h>

namespace klen::webhooks::app {

namespace {

constexpr std::chrono::milliseconds first_pause{200};
constexpr std::chrono::milliseconds longest_pause{2000};
constexpr int failures_max = 10; // in a row: about twenty seconds

/// One line that is written over on a terminal; elsewhere a line whenever something moved.
class progress_line {
  public:
    explicit progress_line(bool terminal) : terminal_(terminal) {}
    ~progress_line() {
        if (terminal_ && !last_.empty())
            std::cerr << '\n';
    }
    progress_line(progress_line const&) = delete;
    progress_line& operator=(progress_line const&) = delete;

    void tell(boost::json::value const& job) {
        auto text = terminal_safe(text_member(job, "state"), 32) + ": " + text_member(job, "examined") +
                    " looked at, " + text_member(job, "changed") + " changed";
        if (text == last_)
            return;
        last_ = std::move(text);
        std::cerr << (terminal_ ? "\r\x1b[K" + last_ : last_ + "\n") << std::flush;
    }

  private:
    bool terminal_;
    std::string last_;
};

bool may_pass(result<api_answer> const& answer) {
    if (answer.has_error())
        return answer.error().kind == fault::io;
    return answer->status >= 500;
}

int code_of(boost::json::value const& job) {
    return text_member(job, "state") == "stopped"
               ? complain(exit_failed, "the job stopped: " + terminal_safe(text_member(job, "message"), 2000))
               : exit_ok;
}

} // namespace

std::variant<std::string, int> wait_for_job(api_caller const& call, pause_function const& pause, api_options const& api,
                                            std::string raw) {
    progress_line progress(isatty(STDERR_FILENO) == 1);
    auto wait = first_pause;
    for (int failures = 0;;) {
        auto const job = read_json(raw);
        if (!job || text_member(job->value, "id").empty())
            return complain(exit_failed, "the answer is no job: is --url the daemon's API?");
        progress.tell(job->value);
        if (text_member(job->value, "state") != "running")
            return raw;
        pause(wait);
        wait = std::min(wait * 2, longest_pause);
        auto ask = request_for(api, "GET", path_of("/api/v1/jobs", text_member(job->value, "id")));
        ask.idempotency_key.clear();
        auto answer = call_patiently(call, pause, ask);
        failures = may_pass(answer) ? failures + 1 : 0;
        if (failures > 0 && failures < failures_max)
            continue; // the daemon is being restarted, say: the job goes on where it stopped
        if (answer.has_error())
            return complain_about(answer.error());
        if (!answer->ok())
            return complain_about(*answer);
        raw = std::move(answer->body);
    }
}

int show_job(api_options const& api, result<api_request> const& request, bool wait) {
    auto done = call_or_complain(api, request);
    if (!done.answer)
        return done.code;
    auto raw = std::move(done.raw);
    if (wait) {
        auto const call = caller_for(api);
        if (call.has_error())
            return complain(exit_usage, call.error().message);
        auto ended = wait_for_job(*call, pause_for, api, std::move(raw));
        if (auto const* code = std::get_if<int>(&ended))
            return *code;
        raw = std::get<std::string>(std::move(ended));
    }
    auto const job = read_json(raw);
    std::cout << (api.json || !job ? raw + "\n" : job_text(*job));
    return wait && job ? code_of(job->value) : exit_ok;
}

} // namespace klen::webhooks::app
