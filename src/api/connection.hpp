#pragma once

#include "body_decoder.hpp"
#include "client_stream.hpp"
#include "io_worker.hpp"
#include "request_guard.hpp"
#include "request_head.hpp"

#include "klen/webhooks/api/server.hpp"

#include <boost/beast/core/flat_buffer.hpp>

#include <memory>
#include <optional>
#include <string>

namespace klen::webhooks::api {

/// One client: reads a request, has it answered, writes the answer, and again. Requests that were sent ahead are
/// answered in order. All on its worker's thread; a deadline is a time that the worker looks at.
class connection : public std::enable_shared_from_this<connection>, public waiting_hook {
  public:
    /// The caller has counted it in `serving::open_connections`; it counts itself out.
    connection(tcp_socket socket, std::shared_ptr<io_worker> worker, tls_context_ptr tls);
    ~connection();
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;

    task<void> run();

    void check_deadline(steady_time now);
    void stop_if_idle();
    /// Somebody else needs its place more: it ends, at the latest after an answer that its client takes.
    void give_way();
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
        trailers,
        bad_gzip,
        no_room,           ///< the bodies of all connections together are too large
        no_room_of_account ///< the bodies of this account are
    };

    /// One request and what is known of it so far.
    struct exchange {
        request_head head; ///< refers to the buffer: valid until the body is read
        framing frame;
        content_coding coding = content_coding::identity;
        router::match where;
        request what;
        caller who;
        std::string request_id;
        std::string account_id; ///< for the log: the key's, or what a platform key's query says, right or wrong
        std::string thing_id;   ///< for the log: the one that the path names
        std::string key_id;
        steady_time started{};
        bool body_pending = false; ///< the head was read, its body was not
        bool close = false;        ///< after this answer, whatever the client wants
    };

    task<bool> shake_hands();
    task<bool> serve_one();
    task<void> end();
    void begin_exchange();

    task<received> read_head();
    task<received> read_body();
    task<received> skip_body();
    task<received> read_sized_body(std::size_t size);
    task<received> read_coded_body();
    task<bool> read_more();
    void skip_empty_lines();
    task<bool> invite_body();
    bool body_is_here() const;
    void take_buffered_body();
    bool wants_body() const; ///< of the call that was found
    std::size_t body_bytes_max() const;
    received lost() const;

    std::optional<response> judge_head();
    std::optional<response> refuse_head(response why);
    std::optional<response> admit();
    std::optional<response> find_route();
    std::optional<response> authenticate();
    std::optional<response> authorize() const;
    std::optional<response> take_idempotency_key();
    std::optional<response> judge_content();
    std::optional<response> judge_media();
    response refusal_of(received how);

    task<bool> answer_early(response what);
    task<bool> drop_body();
    received no_room() const;
    task<response> call_handler();
    task<bool> respond(response what);
    task<void> linger();
    void record(response const& what);
    void note_subject(request const& what);
    bool wants_line(int status) const;
    void set_deadline(milliseconds from_now);

    client_stream stream_;
    std::shared_ptr<io_worker> worker_;
    body_share share_; ///< of what all bodies may take, for this request's
    boost::beast::flat_buffer buffer_;
    head_scanner scanner_;
    exchange now_;
    std::string head_out_;
    steady_time deadline_ = steady_time::max();
    bool idle_ = true;     ///< no byte of the next request has come
    bool expired_ = false; ///< the deadline has passed since it was set
    bool giving_way_ = false;
};

} // namespace klen::webhooks::api
