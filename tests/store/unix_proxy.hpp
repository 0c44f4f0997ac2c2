#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::test {

/// Stands between a client and PostgreSQL's unix socket, and breaks the link at the moment that a test wants.
class unix_proxy {
  public:
    /// `url`: as of test_database ("host='…' port=5432 …").
    explicit unix_proxy(std::string const& url);
    ~unix_proxy();
    unix_proxy(unix_proxy const&) = delete;
    unix_proxy& operator=(unix_proxy const&) = delete;

    /// The same database through this proxy.
    std::string const& url() const { return url_; }

    /// The next thing that a client says is passed on, its answer is not: the link is cut instead. So a statement is
    /// committed, and the client does not know.
    void swallow_next_answer() { swallow_answer_after(0); }
    /// The same after so many questions that are answered.
    void swallow_answer_after(int questions) {
        questions_before_ = questions;
        mode_ = mode::swallow_answer;
    }
    void pass() { mode_ = mode::pass; }
    /// The next thing that a client says is not passed on, and the link is cut.
    void swallow_next_question() { mode_ = mode::swallow_question; }
    /// Whether one of these took place.
    bool swallowed() const { return mode_ == mode::pass; }
    /// New connections are closed at once, until `admit`.
    void refuse_new() { refusing_ = true; }
    /// And existing ones are cut; returns when they are.
    void refuse();
    void admit() { refusing_ = false; }

  private:
    enum class mode { pass, swallow_question, swallow_answer };

    void accept_all();
    void carry(int client);
    bool keep_going(int client, int server, bool& armed);

    std::string target_;
    std::string dir_;
    std::string url_;
    int listener_ = -1;
    std::atomic<mode> mode_{mode::pass};
    std::atomic<int> questions_before_{0};
    std::atomic<bool> refusing_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<int> generation_{0};
    std::atomic<int> carrying_{0};
    std::mutex mutex_;
    std::vector<std::thread> carriers_;
    std::thread acceptor_;
};

} // namespace klen::webhooks::test
