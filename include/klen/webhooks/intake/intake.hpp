#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/beside.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/event/json_body.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace klen::webhooks::intake {

/// On whose behalf something is published.
struct publisher {
    std::optional<std::string> account_id; ///< the key's account; none: a platform key, the request names the account
    bool is_service = false; ///< the daemon itself: may publish the operational types, which nobody else may
};

/// Why an event was refused: for the error body.
struct refusal {
    enum class kind {
        invalid,       ///< the request is wrong as it stands
        too_large,     ///< over a limit of `[intake]`
        forbidden,     ///< another account's
        conflict,      ///< the id was used for other content
        overloaded,    ///< the queue is full: try again in a moment
        unavailable,   ///< the database cannot take it now: try again
        shutting_down, ///< this instance takes nothing more: try again, another one answers
        failed,        ///< the database refused it in a way that a repeat would meet again: our fault
    };
    kind why{};
    std::string message;    ///< with the field's path and the mend
    std::string cause = {}; ///< of `failed`: for the log
};
using publish_answer = std::variant<store::publish_receipt, refusal>;

/// The platform's name of an account: 1 to 128 characters of [A-Za-z0-9._:-].
bool is_account_id(std::string_view text);
inline constexpr std::string_view account_id_rule = "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -";

/// The catalogue as intake sees it: the built-in and operational types until the first `replace`, then what the
/// database says; the configuration's extra types always. Replaced as a whole when it is read again; a change that is
/// made here is noted at once. Thread-safe.
class event_catalogue {
  public:
    explicit event_catalogue(std::vector<std::string> extra);
    bool knows(std::string_view event_type) const;
    /// Does `pattern` ("call.*", "*", an exact name) match at least one known type?
    bool knows_pattern(std::string_view pattern) const;
    /// Sorted.
    std::vector<std::string> names() const;
    void replace(std::vector<std::string> from_database);
    /// The same with what was read after `change_count` gave `as_of`: changes that were noted since then may not be in
    /// it, and stay.
    void replace(std::vector<std::string> from_database, std::uint64_t as_of);
    /// A type was made in the database, or removed.
    void note_change(std::string event_type, bool exists);
    std::uint64_t change_count() const;

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

/// Judges what is published, makes the body, hands it to the store. Thread-safe.
class intake {
  public:
    /// `beside`: judges what is large. It must not run anything any more when this object goes.
    intake(intake_config config, store::event_writer& writer, event_catalogue const& catalogue, run_beside beside = {});

    /// One event as JSON text. Resumes on the caller's executor after the commit. `default_id`: its `id` where the JSON
    /// has none; `invalid` when it has another one.
    task<publish_answer> publish(publisher who, std::string json, std::optional<std::string> default_id = {});
    /// An array of events: an answer for each, in order; refused as a whole when it is not an array, empty, or too
    /// long. All that can be accepted are submitted before any is awaited, so that they share a commit.
    task<std::variant<std::vector<publish_answer>, refusal>> publish_batch(publisher who, std::string json,
                                                                           std::size_t items_max);

    /// What would be handed to the store: the decision alone, without I/O.
    std::variant<store::new_event, refusal> judge(publisher const& who, std::string_view json,
                                                  std::optional<std::string> const& default_id = {}) const;

    /// The batch that is being committed takes longer than the configuration's `hang_timeout`: nobody waits behind it.
    /// Thread-safe.
    bool hangs() const;

  private:
    using judged_event = std::variant<store::new_event, refusal>;
    using judged_batch = std::variant<std::vector<judged_event>, refusal>;
    template <class Judged>
    task<Judged> beside(std::string account_id, std::function<Judged()> judgement);
    judged_batch judge_batch(publisher const& who, std::string_view json, std::size_t items_max) const;
    bool is_large(std::string_view json) const;

    intake_config config_;
    store::event_writer& writer_;
    event_catalogue const& catalogue_;
    run_beside beside_;
};

} // namespace klen::webhooks::intake
