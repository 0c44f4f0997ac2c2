#include "connection.hpp"

#include "credentials.hpp"
#include "errors.hpp"
#include "request_target.hpp"

#include "klen/webhooks/base/ids.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

using boost::system::error_code;

/// Room for a whole ordinary request: one read each, not three.
constexpr std::size_t buffer_bytes = std::size_t{16} << 10;
/// A body grows by what has come, not by what a Content-Length promises.
constexpr std::size_t body_step_bytes = std::size_t{64} << 10;
/// A body that nobody wants (a refused request's, a GET's) is read and dropped up to this size, so that the connection
/// can go on.
constexpr std::size_t dropped_body_bytes_max = std::size_t{64} << 10;
/// How much, and how long, is read after the last answer: closing at once would reset the connection, and the client
/// might never see the answer (RFC 9112 §9.6).
constexpr std::size_t linger_bytes_max = std::size_t{1} << 20;
constexpr milliseconds linger_timeout{1000};

std::string_view text_of(boost::beast::flat_buffer const& buffer) {
    auto const data = buffer.data();
    return {static_cast<char const*>(data.data()), data.size()};
}

bool takes_json(method verb) { return verb == method::post || verb == method::put || verb == method::patch; }

response rate_limited(caller const& who) {
    auto const whole_seconds = std::max<std::int64_t>(1, std::chrono::ceil<seconds>(who.retry_after).count());
    auto out =
        error_response(429, "rate_limit_exceeded",
                       who.account_is_over ? "the keys of this account together make more calls a second than they may"
                                           : "this key makes more calls a second than it may");
    out.headers.emplace_back("Retry-After", std::to_string(whole_seconds));
    return out;
}

} // namespace

connection::connection(tcp_socket socket, std::shared_ptr<io_worker> worker, tls_context_ptr tls)
    : stream_(std::move(socket), std::move(tls)), worker_(std::move(worker)), share_(worker_->common().bodies) {}

connection::~connection() { worker_->common().open_connections.fetch_sub(1, std::memory_order_relaxed); }

task<void> connection::run() {
    io_worker::listing const listed(*worker_, *this);
    buffer_.reserve(buffer_bytes);
    bool goes_on = true;
    if (stream_.is_tls()) {
        worker_->begin_wait(*this);
        goes_on = co_await shake_hands();
        unlink();
    }
    while (goes_on)
        goes_on = co_await serve_one();
    co_await end();
}

/// True: requests may come.
task<bool> connection::shake_hands() {
    set_deadline(worker_->common().config.header_timeout);
    std::string reason;
    auto const how = co_await stream_.shake_hands(&reason);
    if (how == client_stream::handshake_outcome::done)
        co_return true;
    worker_->common().note_failed_handshake(reason);
    if (how == client_stream::handshake_outcome::failed)
        co_return false;
    begin_exchange();
    idle_ = false;
    now_.close = true;
    response why = validation_error("this port speaks HTTPS only: use https://");
    co_return co_await answer_early(std::move(why));
}

/// One request from its first byte to its answer. False: the connection is to be closed.
task<bool> connection::serve_one() {
    begin_exchange();
    received how = co_await read_head();
    unlink();
    if (how == received::nothing)
        co_return false;
    auto refusal = how == received::all ? judge_head() : refuse_head(refusal_of(how));
    if (refusal) {
        response early = std::move(*refusal);
        co_return co_await answer_early(std::move(early));
    }
    if (body_is_here() && now_.coding == content_coding::identity) {
        take_buffered_body();
    } else {
        how = co_await read_body();
        if (how == received::nothing)
            co_return false;
    }
    if (how != received::all) {
        now_.close = true;
        now_.what.body = {};
        share_.release();
        response why = refusal_of(how);
        co_return co_await answer_early(std::move(why));
    }
    response answer = co_await call_handler();
    share_.release();
    bool const goes_on = co_await respond(std::move(answer));
    if (now_.body_pending)
        co_await linger();
    co_return goes_on;
}

void connection::begin_exchange() {
    auto fields = std::move(now_.head.fields); // keeps its memory
    now_ = exchange{};
    now_.what.verb = method::other; // until it is known
    now_.head.fields = std::move(fields);
    share_.release();
    scanner_.reset();
    expired_ = false;
}

// --- reading
// -----------------------------------------------------------------------------------------------------------

task<connection::received> connection::read_head() {
    auto const& config = worker_->common().config;
    idle_ = true;
    worker_->begin_wait(*this);
    set_deadline(config.idle_timeout);
    while (true) {
        skip_empty_lines();
        if (idle_ && buffer_.size() > 0) {
            idle_ = false;
            worker_->begin_wait(*this);
            set_deadline(config.header_timeout);
        }
        auto const found = scanner_.scan(text_of(buffer_));
        if (found == head_scanner::outcome::bare_line_feed)
            co_return received::bare_line_feed;
        if (scanner_.size() > config.header_bytes_max)
            co_return received::head_too_large;
        if (found == head_scanner::outcome::complete)
            co_return received::all;
        bool const more = co_await read_more();
        if (!more)
            co_return lost();
    }
}

/// RFC 9112 §2.2: some clients send one after a body.
void connection::skip_empty_lines() {
    if (scanner_.size() > 1) // a lone carriage return may be half of one
        return;
    scanner_.reset();
    while (text_of(buffer_).starts_with("\r\n"))
        buffer_.consume(2);
}

/// False at the end of what the client sends, after an error, and after the deadline.
task<bool> connection::read_more() {
    if (expired_ || giving_way_ || (idle_ && worker_->stopping()))
        co_return false;
    std::size_t const room = buffer_.capacity() - buffer_.size();
    auto const space = buffer_.prepare(room > 0 ? room : buffer_bytes);
    error_code ec;
    std::size_t const n = co_await stream_.read_some(space, ec);
    buffer_.commit(n);
    co_return !ec && n > 0;
}

connection::received connection::lost() const { return expired_ && !idle_ ? received::timed_out : received::nothing; }

bool connection::body_is_here() const {
    return !now_.frame.chunked && now_.frame.content_length <= buffer_.size() - scanner_.size();
}

void connection::take_buffered_body() {
    buffer_.consume(scanner_.size());
    auto const size = static_cast<std::size_t>(now_.frame.content_length);
    now_.what.body.assign(text_of(buffer_).substr(0, size));
    buffer_.consume(size);
    now_.body_pending = false;
}

task<connection::received> connection::read_body() {
    if (!wants_body())
        co_return co_await skip_body();
    set_deadline(worker_->common().config.body_timeout);
    buffer_.consume(scanner_.size());
    worker_->begin_wait(*this, io_worker::gives_way::last);
    if (now_.frame.expects_continue && buffer_.size() == 0) {
        bool const invited = co_await invite_body();
        if (!invited)
            co_return received::nothing;
    }
    received how = received::all;
    if (now_.frame.chunked || now_.coding != content_coding::identity)
        how = co_await read_coded_body();
    else
        how = co_await read_sized_body(static_cast<std::size_t>(now_.frame.content_length));
    unlink();
    now_.body_pending = how != received::all;
    co_return how;
}

/// Of a call that has none to speak of: nothing of it is kept.
task<connection::received> connection::skip_body() {
    if (now_.frame.chunked || now_.frame.expects_continue) { // it may never end, or never come
        buffer_.consume(scanner_.size());
        now_.close = true;
        co_return received::all;
    }
    bool const dropped = co_await drop_body();
    co_return dropped ? received::all : lost();
}

task<bool> connection::invite_body() {
    constexpr std::string_view invitation = "HTTP/1.1 100 Continue\r\n\r\n";
    std::array<asio::const_buffer, 2> const out = {asio::buffer(invitation), asio::const_buffer()};
    error_code ec;
    co_await stream_.write(out, ec);
    co_return !ec;
}

task<connection::received> connection::read_sized_body(std::size_t size) {
    auto& body = now_.what.body;
    std::size_t have = std::min(size, buffer_.size());
    body.assign(text_of(buffer_).substr(0, have));
    buffer_.consume(have);
    while (have < size) {
        if (expired_)
            co_return received::timed_out;
        if (have == body.size()) {
            std::size_t const next = std::min(size, have + std::max(have, body_step_bytes));
            if (!share_.cover(next))
                co_return no_room();
            body.resize(next);
        }
        auto const space = asio::buffer(body.data() + have, body.size() - have);
        error_code ec;
        have += co_await stream_.read_some(space, ec);
        if (expired_)
            co_return received::timed_out;
        if (ec)
            co_return received::nothing;
    }
    co_return received::all;
}

task<connection::received> connection::read_coded_body() {
    body_decoder decoder({now_.frame, now_.coding, body_bytes_max()}, share_);
    while (true) {
        auto const step = decoder.feed(text_of(buffer_), now_.what.body);
        buffer_.consume(step.used);
        switch (step.what) {
        case body_decoder::outcome::complete:
            co_return received::all;
        case body_decoder::outcome::bad_chunks:
            co_return received::bad_chunks;
        case body_decoder::outcome::trailers:
            co_return received::trailers;
        case body_decoder::outcome::bad_gzip:
            co_return received::bad_gzip;
        case body_decoder::outcome::too_large:
            co_return received::body_too_large;
        case body_decoder::outcome::no_room:
            co_return no_room();
        case body_decoder::outcome::need_more:
            break;
        }
        bool const more = co_await read_more();
        if (!more)
            co_return lost();
    }
}

connection::received connection::no_room() const {
    return share_.account_is_full() ? received::no_room_of_account : received::no_room;
}

std::size_t connection::body_bytes_max() const {
    std::size_t limit = worker_->common().config.body_bytes_max;
    if (auto const of_call = now_.where.handler->body_bytes_max; of_call != 0)
        limit = std::min(limit, of_call);
    return wants_body() ? limit : std::min(limit, dropped_body_bytes_max);
}

bool connection::wants_body() const { return takes_json(now_.what.verb) && !now_.where.handler->refuses; }

// --- deciding
// ----------------------------------------------------------------------------------------------------------

/// The head alone decides most refusals, and it does so before the body is read. Nothing: go on.
std::optional<response> connection::judge_head() {
    now_.started = std::chrono::steady_clock::now();
    auto const raw = text_of(buffer_).substr(0, scanner_.size());
    if (auto const why = refuse_raw_head(raw))
        return refuse_head(validation_error("malformed request: " + std::string(*why)));
    if (auto const why = parse_request_head(raw, now_.head))
        return refuse_head(validation_error("malformed request: " + *why));
    now_.what.verb = parse_method(now_.head.method);
    if (auto const id = now_.head.find("X-Request-ID"); id && is_sane_request_id(*id))
        now_.request_id = *id;
    auto const framed = judge_framing(now_.head);
    if (auto const* why = std::get_if<std::string_view>(&framed))
        return refuse_head(validation_error("malformed request: " + std::string(*why)));
    now_.frame = std::get<framing>(framed);
    now_.body_pending = now_.frame.has_body();
    if (now_.request_id.empty())
        now_.request_id = make_uuid_v7().text();
    return admit();
}

/// Where such a request ends is not sure, so nothing after it can be trusted.
std::optional<response> connection::refuse_head(response why) {
    now_.close = true;
    return why;
}

std::optional<response> connection::admit() {
    if (auto early = find_route())
        return early;
    if (auto early = authenticate())
        return early;
    if (auto early = take_idempotency_key())
        return early;
    return judge_content();
}

std::optional<response> connection::find_route() {
    auto target = parse_request_target(now_.head.target);
    if (!target)
        return validation_error("the request target is malformed");
    now_.what.path = std::move(target->path);
    now_.what.query = std::move(target->query);
    response options;
    options.status = 204;
    if (now_.what.path == "*" && now_.what.verb == method::options) {
        options.headers.emplace_back("Allow", worker_->common().routes.allow_anywhere());
        return options;
    }
    auto found = worker_->common().routes.find(now_.what.verb, now_.what.path);
    if (!found)
        return not_found("no such path");
    now_.where = *std::move(found);
    if (now_.what.verb == method::options) {
        options.headers.emplace_back("Allow", now_.where.allow);
        return options;
    }
    if (now_.where.handler == nullptr)
        return method_not_allowed(now_.where.allow);
    now_.what.parameters = std::move(now_.where.parameters);
    now_.what.route = now_.where.pattern;
    return std::nullopt;
}

std::optional<response> connection::authenticate() {
    if (now_.where.handler->permission.empty())
        return std::nullopt;
    auto const key = find_key(now_.head);
    if (!key)
        return has_two_keys(now_.head)
                   ? authentication_required("Authorization and X-API-Key do not hold the same key: "
                                             "send one of them")
                   : authentication_required();
    auto who = worker_->common().keys.find(*key);
    if (!who)
        return invalid_key();
    now_.who = *std::move(who);
    now_.key_id = now_.who.key_id;
    now_.account_id = now_.who.account_id.value_or("");
    if (now_.who.retry_after > milliseconds(0))
        return rate_limited(now_.who);
    return authorize();
}

std::optional<response> connection::authorize() const {
    auto const& rule = *now_.where.handler;
    if (rule.platform_only && now_.who.account_id)
        return permission_denied("this call is for platform keys, and this is an account's key");
    bool const any_key = rule.permission == "*";
    if (!any_key && std::ranges::find(now_.who.permissions, rule.permission) == now_.who.permissions.end())
        return permission_denied("this key lacks the permission " + rule.permission);
    return std::nullopt;
}

/// A repeated field is refused by its framing's judge, as others are that could be read in two ways.
std::optional<response> connection::take_idempotency_key() {
    if (now_.what.verb != method::post)
        return std::nullopt;
    if (now_.where.handler->creates)
        now_.what.resource_id = make_uuid_v7();
    auto const given = now_.head.find("Idempotency-Key");
    if (!given)
        return std::nullopt;
    if (!is_idempotency_key(*given))
        return validation_error("Idempotency-Key: must be 1 to 255 visible ASCII characters");
    now_.what.idempotency_key = *given;
    return std::nullopt;
}

std::optional<response> connection::judge_content() {
    if (now_.frame.content_length > body_bytes_max())
        return refusal_of(received::body_too_large);
    if (now_.frame.unknown_expectation)
        return error_response(417, "expectation_failed", "the only expectation that is met here is 100-continue");
    if (!now_.frame.has_body())
        return std::nullopt;
    if (!wants_body())
        return std::nullopt;
    if (auto early = judge_media())
        return early;
    // What fits into the connection's own buffer is bounded by their number.
    if (!body_is_here() || now_.coding != content_coding::identity)
        share_.belong_to(now_.account_id);
    // A promise takes no room: more is covered while it comes. The size of a coded body shows then, too.
    bool const size_is_known = !now_.frame.chunked && now_.coding == content_coding::identity;
    if (size_is_known && !share_.cover(std::min<std::uint64_t>(now_.frame.content_length, body_step_bytes)))
        return refusal_of(no_room());
    return std::nullopt;
}

std::optional<response> connection::judge_media() {
    auto const coding = parse_content_coding(now_.head);
    if (!coding) {
        auto out = unsupported_media_type("Content-Encoding: send the body as it is, or with gzip");
        out.headers.emplace_back("Accept-Encoding", "gzip"); // RFC 9110 §15.5.16
        return out;
    }
    now_.coding = *coding;
    if (!is_json_media_type(now_.head.find("Content-Type").value_or("")))
        return unsupported_media_type("Content-Type: must be application/json");
    return std::nullopt;
}

response connection::refusal_of(received how) {
    switch (how) {
    case received::timed_out:
        return error_response(408, "request_timeout", "the request did not come in time");
    case received::bare_line_feed:
        return validation_error("malformed request: a bare line feed in the head");
    case received::head_too_large:
        return error_response(431, "header_too_large",
                              "the head is longer than " + std::to_string(worker_->common().config.header_bytes_max) +
                                  " bytes");
    case received::body_too_large:
        now_.close = true;
        return payload_too_large("the body is longer than " + std::to_string(body_bytes_max()) + " bytes");
    case received::bad_chunks:
        return validation_error("malformed request: the chunked body is malformed");
    case received::trailers:
        return validation_error("malformed request: trailers are not accepted");
    case received::bad_gzip:
        return validation_error("Content-Encoding: the body is not gzip, or is damaged or cut off");
    case received::no_room:
        return unavailable("too many request bodies are being worked on: try again in a moment");
    case received::no_room_of_account:
        return rate_limit_exceeded("the request bodies of this account's calls under way are too large together: try "
                                   "again in a moment");
    case received::all:
    case received::nothing:
        break;
    }
    return server_error();
}

// --- answering
// ---------------------------------------------------------------------------------------------------------

/// Answers a request whose body was not read.
task<bool> connection::answer_early(response what) {
    // Whoever has expectations waits for the answer before the body.
    bool const asks_first = now_.frame.expects_continue || now_.frame.unknown_expectation;
    bool const body_wanted = !asks_first && !now_.frame.chunked && now_.frame.content_length <= dropped_body_bytes_max;
    if (now_.body_pending && !now_.close) {
        now_.close = !body_wanted;
        if (body_wanted) {
            bool const dropped = co_await drop_body();
            now_.close = !dropped;
        }
    } else if (!now_.close) {
        buffer_.consume(scanner_.size());
    }
    bool const goes_on = co_await respond(std::move(what));
    if (now_.close)
        co_await linger();
    co_return goes_on;
}

/// A body whose size is known, and which nobody waits for: whoever sends it slowly makes room for others. False: the
/// connection cannot go on.
task<bool> connection::drop_body() {
    worker_->begin_wait(*this);
    set_deadline(worker_->common().config.body_timeout);
    buffer_.consume(scanner_.size());
    auto left = static_cast<std::size_t>(now_.frame.content_length);
    while (true) {
        std::size_t const here = std::min(left, buffer_.size());
        buffer_.consume(here);
        left -= here;
        if (left == 0)
            break;
        bool const more = co_await read_more();
        if (!more)
            break;
    }
    unlink();
    now_.body_pending = left > 0;
    co_return left == 0;
}

task<response> connection::call_handler() {
    deadline_ = steady_time::max(); // what is behind the handlers has limits of its own
    now_.what.request_id = now_.request_id;
    if (!wants_body())
        now_.what.body.clear();
    auto const& handler = *now_.where.handler;
    auto const failed = [this](char const* what) {
        log::error("a handler failed",
                   {{"request_id", now_.request_id}, {"http.route", now_.where.pattern}, {"error.message", what}});
    };
    note_subject(now_.what);
    request what = std::move(now_.what);
    now_.what.verb = what.verb;
    caller who = std::move(now_.who);
    try {
        response answer = co_await handler.handle(std::move(what), std::move(who));
        co_return answer;
    } catch (boost::system::system_error const& e) {
        if (worker_->aborting() && e.code() == asio::error::operation_aborted)
            throw;
        failed(e.what());
    } catch (std::exception const& e) {
        failed(e.what());
    }
    co_return server_error();
}

task<bool> connection::respond(response what) {
    if (now_.request_id.empty())
        now_.request_id = make_uuid_v7().text();
    bool const keep_alive = now_.frame.keep_alive && !now_.close && !giving_way_ && !worker_->stopping();
    head_out_.clear();
    append_response_head(head_out_, what,
                         {.date = worker_->date(),
                          .request_id = now_.request_id,
                          .http_1_0 = now_.head.version == 10,
                          .keep_alive = keep_alive});
    bool const bodiless = now_.what.verb == method::head || what.status == 204;
    std::array<asio::const_buffer, 2> const out = {asio::buffer(head_out_),
                                                   asio::buffer(what.body.data(), bodiless ? 0 : what.body.size())};
    record(what);
    expired_ = false;
    set_deadline(worker_->common().config.body_timeout);
    error_code ec;
    worker_->begin_wait(*this, now_.key_id.empty() ? io_worker::gives_way::first : io_worker::gives_way::last);
    co_await stream_.write(out, ec);
    unlink();
    co_return keep_alive && !ec;
}

/// Reads what the client is still sending, so that it can read our answer.
task<void> connection::linger() {
    expired_ = false;
    set_deadline(linger_timeout);
    worker_->begin_wait(*this); // its answer was sent: a newcomer needs the place more
    co_await stream_.end_sending();
    error_code ec;
    std::size_t dropped = 0;
    while (!ec && !expired_ && !giving_way_ && dropped < linger_bytes_max && !worker_->stopping()) {
        buffer_.clear();
        auto const space = buffer_.prepare(buffer_bytes);
        dropped += co_await stream_.read_leftover(space, ec);
    }
    unlink();
}

task<void> connection::end() {
    expired_ = false;
    set_deadline(linger_timeout);
    worker_->begin_wait(*this);
    co_await stream_.end_sending();
    unlink();
    stream_.close();
}

/// The term for what a path's {id} names: of /api/v1/webhooks/{id}/test it is webhook_id.
std::string_view thing_of(std::string_view pattern) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> things{{{"/webhooks/", "webhook_id"},
                                                                                   {"/deliveries/", "delivery_id"},
                                                                                   {"/events/", "event_id"},
                                                                                   {"/jobs/", "job_id"},
                                                                                   {"/keys/", "api_key_id"}}};
    for (auto const& [part, term] : things)
        if (pattern.find(part) != std::string_view::npos)
            return term;
    return "id";
}

/// What the log says of whom and what a call was about.
void connection::note_subject(request const& what) {
    if (now_.account_id.empty() && !what.query.empty())
        now_.account_id = what.query_value("account_id").value_or("");
    auto const id = what.parameters.find("id");
    if (id != what.parameters.end() && uuid::parse(id->second))
        now_.thing_id = id->second;
}

/// Does the answer get a line of level info?
bool connection::wants_line(int status) const {
    switch (worker_->common().lines) {
    case request_lines::none:
        return false;
    case request_lines::failures:
        return status >= 400;
    case request_lines::most:
        return status >= 400 || now_.where.handler == nullptr || !now_.where.handler->frequent;
    case request_lines::all:
        break;
    }
    return true;
}

/// Metrics and the access log. Never a body, a key or a query.
void connection::record(response const& what) {
    int const status = what.status;
    worker_->count(status);
    if (!what.cause.empty())
        log::error("a call failed", {{"request_id", now_.request_id},
                                     {"http.route", now_.where.pattern},
                                     {"account_id", now_.account_id},
                                     {"error.message", what.cause}});
    auto level = wants_line(status) ? log::level::info : log::level::debug;
    if (status == 503)
        level = worker_->common().unavailable_lines.allow().write ? log::level::warn : level;
    else if (status >= 500)
        level = log::level::warn;
    if (!log::enabled(level))
        return;
    auto const took =
        now_.started == steady_time{} ? std::chrono::nanoseconds{} : std::chrono::steady_clock::now() - now_.started;
    log::field const method("http.request.method", to_string(now_.what.verb));
    log::field const route("http.route", now_.where.pattern);
    log::field const status_code("http.response.status_code", status);
    log::field const duration("event.duration", took.count());
    log::field const request_id("request_id", now_.request_id);
    log::field const key_id("key_id", now_.key_id);
    log::field const account_id("account_id", now_.account_id);
    if (now_.thing_id.empty()) {
        log::write(level, "request answered", {method, route, status_code, duration, request_id, key_id, account_id});
        return;
    }
    log::field const thing_id(thing_of(now_.where.pattern), now_.thing_id);
    log::write(level, "request answered",
               {method, route, status_code, duration, request_id, key_id, account_id, thing_id});
}

// --- deadlines and the end
// ---------------------------------------------------------------------------------------------

void connection::set_deadline(milliseconds from_now) { deadline_ = std::chrono::steady_clock::now() + from_now; }

void connection::check_deadline(steady_time now) {
    if (now < deadline_)
        return;
    expired_ = true;
    stream_.cancel(); // and again each time, until there is a new one: this may come between two steps of an operation
}

void connection::stop_if_idle() {
    if (idle_)
        stream_.cancel();
}

void connection::give_way() {
    giving_way_ = true;
    stream_.cancel();
}

void connection::abort() { stream_.close(); }

} // namespace klen::webhooks::api
