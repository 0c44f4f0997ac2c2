#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::app {

/// An API on loopback that writes down what it is asked and answers as it was told.
class recording_api {
  public:
    struct asked {
        std::string method;
        std::string target;
        std::string body;
        std::map<std::string, std::string> headers; ///< names in lower case
    };
    struct answer {
        int status = 200;
        std::string body = "{}";
        std::map<std::string, std::string> headers = {};
    };

    recording_api();
    ~recording_api();
    recording_api(recording_api const&) = delete;
    recording_api& operator=(recording_api const&) = delete;

    std::string url() const;
    /// The next answers, in this order; after them 200 with "{}".
    void will_answer(std::vector<answer> answers);
    /// What was asked since the last call.
    std::vector<asked> take();

  private:
    void serve();
    answer answer_to(asked what);

    boost::asio::io_context context_;
    boost::asio::ip::tcp::acceptor acceptor_;
    std::mutex mutex_;
    std::deque<answer> answers_;
    std::vector<asked> asked_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace klen::webhooks::app
