#pragma once

#include "klen/webhooks/base/async.hpp"
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
};

/// Why an event was refused: for the error body.
struct refusal {
    enum class kind { invalid, too_large, forbidden, conflict, overloaded, unavailable, shutting_down };
    kind why{};
    std::string message; ///< with the field's path and the mend
};
using publish_answer = std::variant<store::publish_receipt, refusal>;

/// The catalogue as intake sees it; replaced as a whole when it changes. Thread-safe.
class event_catalogue {
  public:
    explicit event_catalogue(std::vector<std::string> extra);
    bool knows(std::string_view event_type) const;
    void replace(std::vector<std::string> from_database);

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

/// Judges what is published, makes the body, hands it to the store. Thread-safe.
class intake {
  public:
    intake(intake_config config, store::event_writer& writer, event_catalogue const& catalogue);

    /// One event as JSON text. Resumes on the caller's executor after the commit.
    task<publish_answer> publish(publisher who, std::string json);
    /// An array of events: an answer for each, in order; refused as a whole when it is not an array or too long.
    task<std::variant<std::vector<publish_answer>, refusal>> publish_batch(publisher who, std::string json, std::size_t items_max);

  private:
    struct judged;
    std::variant<store::new_event, refusal> judge(publisher const& who, std::string_view json) const;

    intake_config config_;
    store::event_writer& writer_;
    event_catalogue const& catalogue_;
};

} // namespace klen::webhooks::intake
