#pragma once

#include "chunk_decoder.hpp"
#include "io_worker.hpp"
#include "request_guard.hpp"
#include "request_head.hpp"

#include "klen/webhooks/api/server.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <memory>
#include <optional>
#include <string>

namespace klen::webhooks::api {

/// The concrete executor: `any_io_executor` costs most of a microsecond a request.
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

/// One client: reads a request, has it answered, writes the answer, and again. Requests that were sent ahead are
/// answered in order. All on its worker's thread; a deadline is a time that the worker looks at.
class connection : public std::enable_shared_from_this<connection> {
  public:
    /// The caller has counted it in `serving::open_connections`; it counts itself out.
    connection(tcp_socket socket, std::shared_ptr<io_worker> worker);
    ~connection();
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;

    task<void> run();

    void check_deadline(steady_time now);
    void stop_if_idle();
    void abort();

    std::size_t position = 0; ///< in the worker's list

  private:
    /// What became of reading a piece of a request.
    enum class received {
        all,
        nothing,
        timed_out,
        bare_line_feed,
        head_too_large,
        body_too_large,
        bad_chunks,
        trailers
    };

    /// One request and what is known of it so far.
    struct exchange {
        request_head head; ///< refers to the buffer: valid until the body is read
        framing frame;
        router::match where;
        request what;
        caller who;
        std::string request_id;
        std::string account_id; ///< for the log
        std::string key_id;
        steady_time started{};
        bool body_pending = false; ///< the head was read, its body was not
        bool close = false;        ///< after this answer, whatever the client wants
    };

    task<bool> serve_one();
    void begin_exchange();

    task<received> read_head();
    task<received> read_body();
    task<received> read_sized_body(std::size_t size);
    task<received> read_chunked_body();
    task<bool> read_more();
    void skip_empty_lines();
    task<bool> invite_body();
    bool body_is_here() const;
    void take_buffered_body();
    received lost() const;

    std::optional<response> judge_head();
    std::optional<response> refuse_head(response why);
    std::optional<response> admit();
    std::optional<response> find_route();
    std::optional<response> authenticate();
    std::optional<response> judge_content();
    response refusal_of(received how);

    task<bool> answer_early(response what);
    task<bool> drop_body();
    task<response> call_handler();
    task<bool> respond(response what);
    task<void> linger();
    void record(int status);
    void set_deadline(milliseconds from_now);

    tcp_socket socket_;
    std::shared_ptr<io_worker> worker_;
    boost::beast::flat_buffer buffer_;
    head_scanner scanner_;
    exchange now_;
    std::string head_out_;
    steady_time deadline_ = steady_time::max();
    bool idle_ = true;     ///< no byte of the next request has come
    bool expired_ = false; ///< the deadline has passed since it was set
};

} // namespace klen::webhooks::api
