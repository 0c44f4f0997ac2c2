#include "simulation/simulation.hpp"

#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/signing/secret.hpp"
#include "simulation/identity.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace klen::webhooks::simulation {

namespace {

constexpr std::uint64_t steps_max = 3'000'000;
constexpr char const* account = "acme";

/// Not a secret: it is the same in every world, so that a seed's bytes are, too.
constexpr char const* master_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

} // namespace

simulation::simulation(std::uint64_t seed)
    : plan_(plan::draw(seed)), world_(seed), seals_(signing::sealer::create(master_key, "k1").value()),
      database_([this] { return world_.now() + weather_.database_offset; },
                [this] { return numbered_id(++last_id_, world_.chance.next()); }),
      check_(world_, plan_, database_, weather_), all_{world_, plan_, weather_, database_, check_, seals_} {
    log::set_level(log::level::off);
    database_.observer = &check_;
    world_.slow_threads = plan_.has(fault_kind::slow_threads);
    make_webhooks();
    slots_.resize(plan_.processes);
}

simulation::~simulation() {
    database_.observer = nullptr;
    for (auto& s : slots_)
        s.lives.reset();
}

// --- the world at rest -----------------------------------------------------------------------------------------------

void simulation::make_webhooks() {
    for (std::size_t i = 0; i < plan_.webhooks; ++i) {
        store::webhook w;
        w.id = webhook_id{numbered_id(++last_id_, world_.chance.next())};
        w.account_id = account;
        w.name = std::to_string(i);
        w.url = "https://host" + std::to_string(world_.chance.below(plan_.hosts)) + ".example/" + w.name;
        w.revision = 1;
        w.subscribed_events = {"call.ended"};
        if (world_.chance.chance(0.5))
            w.subscribed_events.emplace_back("call.started");
        if (world_.chance.chance(0.3))
            w.max_concurrency = world_.chance.between(1, 4);
        store::sealed_secret s;
        s.id = secret_id{numbered_id(++last_id_, world_.chance.next())};
        s.sealed = seals_.seal(signing::secret::generate().text(), {"webhook_secrets", s.id.value, account});
        s.key_id = seals_.key_id();
        w.secrets.push_back(std::move(s));
        webhooks_.push_back(w.id);
        database_.webhooks.emplace(w.id, std::move(w));
    }
}

void simulation::begin_life(std::size_t at) {
    auto& s = slots_[at];
    ++s.life;
    s.lives = std::make_unique<incarnation>(all_, incarnations_++, static_cast<int>(at));
    s.lives->start();
}

void simulation::end_life(std::size_t at) {
    auto& s = slots_[at];
    if (!s.lives)
        return;
    ++s.life;
    s.lives->end();
    ended_.push_back(std::move(s.lives));
}

void simulation::begin_life_later(std::size_t at, milliseconds wait) {
    auto const life = slots_[at].life;
    world_.after(wait, [this, at, life] {
        if (slots_[at].life == life && !slots_[at].lives)
            begin_life(at);
    });
}

/// A process looks for changes once in a while; it learns of them when it runs and reaches the database.
void simulation::tell_changes(webhook_id id) {
    for (std::size_t i = 0; i < slots_.size(); ++i)
        tell_change(i, id);
}

void simulation::tell_change(std::size_t at, webhook_id id) {
    auto const life = slots_[at].life;
    world_.after(world_.chance.between(milliseconds(1), milliseconds(1000)), [this, at, id, life] {
        auto const& s = slots_[at];
        if (s.life != life || !s.lives)
            return; // a new one reads everything
        bool const learns = s.lives->state() == incarnation::phase::running && !s.lives->host().frozen() &&
                            !s.lives->database().way.cut && !weather_.database.cut;
        if (learns)
            s.lives->dispatcher()->webhook_changed(id);
        else
            tell_change(at, id);
    });
}

bool simulation::step(steady_time end) {
    if (++steps_ > steps_max)
        check_.fail("it does not come to an end");
    if (!world_.step(end))
        return false;
    if (auto const* ran = world_.ran()) {
        auto const& s = slots_[static_cast<std::size_t>(ran->slot())];
        if (s.lives && s.lives->state() != incarnation::phase::starting)
            check_.look_at(s.lives->number(), s.lives->dispatcher()->stats());
    }
    look_at_lives();
    return true;
}

void simulation::look_at_lives() {
    for (auto& d : dooms_)
        if (d.handlers-- == 0 && slots_[d.slot].life == d.life) {
            end_life(d.slot);
            begin_life_later(d.slot, world_.chance.between(milliseconds(0), milliseconds(10'000)));
        }
    std::erase_if(dooms_, [this](doom const& d) { return slots_[d.slot].life != d.life; });
    auto const* ran = world_.ran();
    if (!ran)
        return;
    auto const at = static_cast<std::size_t>(ran->slot());
    auto const& lives = slots_[at].lives;
    if (lives && (lives->stopped() || lives->failed_to_start())) {
        auto const wait =
            lives->stopped() ? world_.chance.between(milliseconds(0), milliseconds(5000)) : milliseconds(1000);
        end_life(at);
        begin_life_later(at, wait);
    }
}

bool simulation::run_until(steady_time end, std::function<bool()> const& met) {
    while (check_.violation().empty() && !met())
        if (!step(end))
            return met();
    return check_.violation().empty();
}

// --- publishers ------------------------------------------------------------------------------------------------------

void simulation::publish_some(std::size_t count, milliseconds within) {
    for (std::size_t i = 0; i < count; ++i) {
        auto const p = std::make_shared<publication>();
        auto event = std::make_shared<accepted_event>();
        event->id = event_id{numbered_id(++events_, world_.chance.next())};
        event->account_id = account;
        event->event_type = world_.chance.chance(0.7) ? "call.ended" : "call.started";
        auto const padding = world_.chance.chance(0.1) ? world_.chance.below(4000) : world_.chance.below(40);
        event->body = "{\"event\":" + std::to_string(events_) + ",\"pad\":\"" + std::string(padding, 'x') + "\"}";
        p->event = std::move(event);
        ++publishing_;
        world_.after(world_.chance.between(milliseconds(0), within), [this, p] { try_to_publish(p); });
    }
}

void simulation::try_to_publish(std::shared_ptr<publication> const& p) {
    auto const turn = ++p->turn;
    ++p->tries;
    auto const& s = slots_[any_slot()];
    world_.log.note(world_.now(), mark::published, s.lives ? s.lives->host().slot() : -1, number_of(p->event->id.value),
                    static_cast<std::uint64_t>(p->tries));
    if (!s.lives || s.lives->state() != incarnation::phase::running) {
        heard(p, publish_answer::refused); // nobody listens
        return;
    }
    auto answer = [this, p, turn](publish_answer what) {
        auto const way = world_.chance.between(std::chrono::microseconds(100), std::chrono::microseconds(2000));
        world_.after(way, [this, p, turn, what] {
            if (what == publish_answer::accepted)
                check_.accepted(p->event->id); // whenever that comes
            if (p->turn == turn && !p->over)
                heard(p, what);
        });
    };
    s.lives->writer().submit(p->event, std::move(answer));
    world_.after(seconds(3), [this, p, turn] {
        if (p->turn == turn && !p->over)
            heard(p, publish_answer::no_answer);
    });
}

void simulation::heard(std::shared_ptr<publication> const& p, publish_answer what) {
    world_.log.note(world_.now(), mark::answered, -1, number_of(p->event->id.value), static_cast<std::uint64_t>(what));
    bool const in_doubt = what == publish_answer::unknown || what == publish_answer::no_answer;
    p->doubtful = p->doubtful || in_doubt;
    if (what != publish_answer::accepted && p->tries < 5 && world_.chance.chance(0.8)) {
        ++p->turn;
        world_.after(world_.chance.between(milliseconds(100), milliseconds(3000)), [this, p] { try_to_publish(p); });
        return;
    }
    p->over = true;
    --publishing_;
    if (what == publish_answer::refused && !p->doubtful)
        check_.refused(p->event->id);
}

// --- from the beginning to the end -----------------------------------------------------------------------------------

bool simulation::all_done() const {
    // A publisher that has given up leaves a commit behind, which may bring deliveries yet.
    return publishing_ == 0 && database_.commits_under_way == 0 && database_.unfinished() == 0 &&
           std::all_of(slots_.begin(), slots_.end(), [](slot const& s) {
               return s.lives && s.lives->state() == incarnation::phase::running && s.lives->writer().idle();
           });
}

/// Leases expire, what waits is found, and every attempt that is left is made, one after the other.
milliseconds simulation::time_to_heal() const {
    auto const& o = plan_.options;
    milliseconds schedule{0};
    for (auto const wait : o.delivery.retry_schedule)
        schedule += wait + seconds(20);
    auto const recovery = o.dispatch.lease_timeout * 3 + o.dispatch.shutdown_timeout * 2 + seconds(40);
    return recovery + schedule + o.delivery.attempt_timeout * 6;
}

void simulation::storm() {
    for (std::size_t i = 0; i < slots_.size(); ++i)
        begin_life(i);
    publish_some(plan_.events, plan_.storm);
    begin_storm();
    auto const end = world_.now() + plan_.storm;
    run_until(end, [] { return false; });
}

void simulation::heal() {
    calm_down();
    auto const end = world_.now() + time_to_heal();
    if (!run_until(end, [this] { return all_done(); }) && check_.violation().empty())
        check_.at_the_end(); // says what is missing
    if (publishing_ != 0)
        check_.fail("a publisher still waits");
}

/// Nothing is lost, but is everything given back? As many requests as can be, at every webhook, and soon.
void simulation::use_every_place() {
    publish_some(plan_.options.dispatch.webhook_concurrency_max * 2 + 2, milliseconds(100));
    auto const lives = std::count_if(webhooks_.begin(), webhooks_.end(),
                                     [this](webhook_id id) { return !database_.webhooks.at(id).deleted; });
    if (run_until(world_.now() + seconds(15), [this] { return all_done(); }) || !check_.violation().empty())
        return;
    check_.fail("some deliveries to " + std::to_string(lives) +
                " webhooks at rest took more than 15 s: " + std::to_string(database_.unfinished()) + " wait");
}

bool simulation::all_given_back() const {
    return std::all_of(slots_.begin(), slots_.end(), [](slot const& s) {
        auto const stats = s.lives->dispatcher()->stats();
        return stats.in_memory + stats.in_flight + stats.unrecorded == 0;
    });
}

void simulation::stop_all() {
    // One that was given up may not know of it yet; what its machine failed to send waits for ten seconds.
    auto const patience = plan_.options.dispatch.lease_timeout * 2 + policy::local_failure_wait * 2;
    if (!run_until(world_.now() + patience, [this] { return all_given_back(); }))
        check_.fail("a process has nothing to do and still holds deliveries, requests or outcomes");
    // Nor do calls end at once that were sent before the storm was over.
    run_until(weather_.disturbed + seconds(1), [] { return false; });
    for (auto const& s : slots_)
        s.lives->stop();
    auto const first = incarnations_;
    auto const stopped = [this, first] {
        return std::all_of(slots_.begin(), slots_.end(),
                           [first](slot const& s) { return !s.lives || s.lives->number() >= first; });
    };
    if (!run_until(world_.now() + seconds(5), stopped))
        check_.fail("processes that have nothing to do take more than 5 s to stop");
    if (database_.leased() > 0)
        check_.fail("leases are left when all have stopped");
}

outcome simulation::run(bool aloud) {
    world_.log.aloud = aloud;
    storm();
    if (check_.violation().empty())
        heal();
    if (check_.violation().empty())
        use_every_place();
    if (check_.violation().empty())
        stop_all();
    if (check_.violation().empty())
        check_.at_the_end();
    outcome out;
    out.seed = plan_.seed;
    out.violation = check_.violation();
    out.plan = plan_.text();
    if (!out.violation.empty())
        out.last_events = world_.log.last(60);
    out.trace_hash = world_.log.hash();
    out.steps = steps_;
    out.deliveries = database_.deliveries.size();
    out.counts = check_.counted();
    return out;
}

} // namespace klen::webhooks::simulation
