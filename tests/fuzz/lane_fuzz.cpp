// A webhook's lane under any sequence of operations, against a model: a list of what it was given, and the rules that
// it promises. Nothing is lost, doubled or overtaken; nothing begins that may not; room is never promised twice.
#include "dispatch/lane.hpp"
#include "fuzz/byte_source.hpp"
#include "fuzz/require.hpp"

#include <algorithm>
#include <deque>

namespace {

using namespace klen::webhooks;
using namespace klen::webhooks::dispatch;
using policy::circuit_state;
using policy::error_class;

std::shared_ptr<delivery_profile> profile_from(byte_source& in) {
    static signing::secret const secret = signing::secret::generate();
    std::vector<signing::webhook_signer::live_secret> const secrets{{secret, {}}};
    std::optional<egress::target> to;
    if (in.below(8) != 0) {
        to.emplace();
        to->url = in.below(4) == 0 ? "https://b.example/" : "https://a.example/";
    }
    std::optional<std::uint32_t> rate;
    if (in.below(3) == 0)
        rate = 1 + in.below(50);
    return std::make_shared<delivery_profile>(delivery_profile{
        std::move(to), {}, header_template("X-", "u", {}), signing::webhook_signer(secrets), 1 + in.below(8), rate, 1});
}

delivery_id numbered(std::uint32_t n) {
    delivery_id out;
    for (int i = 0; i < 4; ++i)
        out.value.bytes[static_cast<std::size_t>(12 + i)] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
    return out;
}

class world {
  public:
    explicit world(byte_source& in)
        : in_(in), queue_max_(1 + in.below(20)),
          circuit_{3, 0, 0, std::chrono::seconds(60), std::chrono::seconds(1), std::chrono::seconds(8), in.below(3), 8},
          lane_(webhook_id{}, {queue_max_, &circuit_}) {}

    void run() {
        while (!in_.empty()) {
            now_ += std::chrono::milliseconds(std::uint64_t{in_.byte()} * 8);
            step();
            check();
        }
        static_cast<void>(lane_.empty_queue());
        queue_.clear();
        check();
    }

  private:
    void step() {
        switch (in_.below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return offer();
        case 4:
        case 5:
        case 6:
            return start();
        case 7:
        case 8:
            return end();
        case 9:
            lane_.note_parked();
            parked_ = true;
            return;
        case 10:
            return claim();
        case 11:
            return change();
        case 12:
            return load();
        case 13:
            return shed();
        case 14:
            if (lane_.half_open(now_))
                require(lane_.circuit().state() == circuit_state::half_open);
            if (in_.below(2) == 0)
                ask();
            return;
        default:
            return rare();
        }
    }

    void ask() {
        if (in_.below(2) == 0) {
            lane_.ask();
            parked_ = true;
        }
        auto const before = lane_.circuit().state();
        bool const idle = queue_.empty() && in_flight_.empty() && !claiming_;
        if (!lane_.judge_asked(now_)) {
            require(lane_.circuit().state() == before);
            return;
        }
        require(idle && before != circuit_state::closed && lane_.circuit().state() != before);
        require(lane_.circuit().state() == circuit_state::open || (parked_ && lane_.room() == 1));
    }

    void offer() {
        store::claimed_delivery what;
        what.id = numbered(next_++);
        if (in_.below(8) != 0)
            what.event = event_;
        what.webhook_deleted = in_.below(16) == 0;
        what.manual = in_.below(8) == 0;
        auto const id = what.id;
        leased_delivery d{std::move(what), lease(term_, memory_->take(1))};
        bool const closed_to_all = lane_.state() == lane_state::disabled || lane_.state() == lane_state::unusable;
        if (lane_.offer(d)) {
            require(!closed_to_all && queue_.size() < std::size_t{queue_max_} * 2);
            queue_.push_back(id);
        } else {
            require(d.what.id == id); // as it was
        }
    }

    void start() {
        if (!lane_.startable())
            return;
        require(!queue_.empty() && lane_.front().what.id == queue_.front());
        if (lane_.verdict_without_request() != error_class::none) {
            auto const gone = lane_.pop();
            require(gone.what.id == queue_.front());
            queue_.pop_front();
            return;
        }
        require(lane_.state() == lane_state::ready && lane_.profile()->to.has_value());
        require(lane_.circuit().state() != circuit_state::open);
        require(lane_.circuit().state() != circuit_state::half_open || lane_.in_flight() == 0);
        eras_.push_back(lane_.began(now_));
        in_flight_.push_back(lane_.pop());
        require(in_flight_.back().what.id == queue_.front());
        queue_.pop_front();
        require(lane_.in_flight() <= std::min(lane_.profile()->concurrency, lane_.circuit().limit()));
    }

    void end() {
        if (in_flight_.empty())
            return;
        auto const which = in_.below(static_cast<std::uint32_t>(in_flight_.size()));
        policy::attempt_result result;
        if (in_.below(3) == 0)
            result.error = error_class::timeout;
        else
            result.status = 200;
        lane_.ended({eras_[which], in_.below(8) == 0}, result, now_, in_.byte() / 256.0);
        eras_.erase(eras_.begin() + which);
        in_flight_.erase(in_flight_.begin() + which);
    }

    void claim() {
        if (claiming_) {
            bool const nothing_left = in_.below(2) == 0;
            lane_.end_parked_claim(nothing_left);
            claiming_ = false;
            parked_ = parked_ || !nothing_left;
            return;
        }
        if (!lane_.wants_parked(1))
            return;
        auto const room = lane_.room();
        require(parked_ && room >= 1);
        require(lane_.begin_parked_claim() == room);
        require(lane_.room() == 0); // what is asked for is not offered to others
        claiming_ = true;
        parked_ = false;
    }

    void change() {
        bool const waited = lane_.state() == lane_state::disabled || lane_.state() == lane_state::unusable;
        waited_ = waited_ || waited;
        lane_.mark_changed();
        stale_ = true;
        require(lane_.state() == lane_state::loading && (loading_ || lane_.wants_load()));
    }

    void load() {
        if (!loading_) {
            if (!lane_.wants_load())
                return;
            lane_.begin_load();
            loading_ = true;
            stale_ = false;
            require(!lane_.wants_load());
            return;
        }
        auto const kind = in_.below(8);
        auto const state = kind == 0   ? lane_state::disabled
                           : kind == 1 ? lane_state::deleted
                           : kind == 2 ? lane_state::unusable
                                       : lane_state::ready;
        auto const before = lane_.state();
        lane_.loaded(state, state == lane_state::ready ? profile_from(in_) : nullptr, false, now_);
        loading_ = false;
        require(lane_.state() == (stale_ ? before : state)); // what is older than a change is not believed
        if (!stale_ && state == lane_state::ready && waited_) {
            waited_ = false;
            parked_ = true;
        }
    }

    void shed() {
        auto const back = lane_.shed();
        // From the end, and the rest stays in order.
        for (auto const& d : back) {
            require(!queue_.empty() && d.what.id == queue_.back());
            queue_.pop_back();
        }
        parked_ = parked_ || !back.empty();
        if (lane_.circuit().state() == circuit_state::open && lane_.state() != lane_state::deleted)
            require(queue_.empty());
    }

    void rare() {
        switch (in_.below(4)) {
        case 0: {
            auto const all = lane_.empty_queue();
            require(std::equal(all.begin(), all.end(), queue_.begin(), queue_.end(),
                               [](leased_delivery const& d, delivery_id const& id) { return d.what.id == id; }));
            queue_.clear();
            break;
        }
        case 1:
            if (in_.below(8) == 0)
                term_->end();
            require(lane_.drop_ended() == (term_->ended() ? queue_.size() : 0));
            if (term_->ended())
                queue_.clear();
            break;
        case 2:
            lane_.judge_progress(in_.below(2) == 0);
            break;
        default:
            require(!lane_.idle_since(now_) || (queue_.empty() && in_flight_.empty() && !claiming_ && !loading_));
            break;
        }
    }

    void check() {
        require(lane_.queued() == queue_.size());
        require(queue_.empty() || lane_.front().what.id == queue_.front());
        require(lane_.in_flight() == in_flight_.size());
        require(lane_.room() <= queue_max_);
        require(lane_.has_parked() == (parked_ || claiming_));
        require(!claiming_ || (lane_.closed() && !lane_.wants_parked(1)));
        require(memory_->deliveries() == queue_.size() + in_flight_.size()); // nothing else holds a share
        require(term_->held() == static_cast<std::int64_t>(queue_.size() + in_flight_.size()));
        if (lane_.state() == lane_state::ready && lane_.circuit().state() == circuit_state::open && !queue_.empty())
            require(!lane_.startable() || lane_.verdict_without_request() != error_class::none);
        if (lane_.state() == lane_state::loading && lane_.startable())
            require(lane_.verdict_without_request() != error_class::none);
    }

    byte_source& in_;
    std::uint32_t const queue_max_;
    policy::circuit_policy const circuit_;
    term_ptr term_ = std::make_shared<term>(instance_id{1}, boot_time{}, std::chrono::seconds(12));
    std::shared_ptr<budget> memory_ = std::make_shared<budget>(1000, 1 << 20);
    event_ptr event_ = std::make_shared<accepted_event>();
    lane lane_;
    steady_time now_{std::chrono::hours(1000)};
    std::uint32_t next_ = 1;

    std::deque<delivery_id> queue_;
    std::vector<leased_delivery> in_flight_;
    std::vector<std::uint32_t> eras_;
    bool parked_ = false;
    bool claiming_ = false;
    bool loading_ = false;
    bool stale_ = true;
    bool waited_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    byte_source in(data, size);
    world(in).run();
    return 0;
}
