#pragma once

#include "parts.hpp"

#include "kit/report.hpp"
#include "traffic.hpp"

#include <map>

namespace klen::bench {

/// How many deliveries a second all cores together could make if a delivery cost nothing but its parts: cores ÷ (sum
/// of the parts' CPU). Measures a part when it is first needed, each once.
class ceiling {
  public:
    ceiling(scratch_dir const& in, double seconds_a_part) : in_(in), seconds_(seconds_a_part) {}

    /// CPU microseconds of one delivery, over all processes.
    double cpu_us(traffic const& of);
    double per_second(traffic const& of);
    /// PostgreSQL's share of it: what the batched lifecycle costs alone.
    double postgres_us(traffic const& of) { return store(of).postgres_us; }
    /// Every part measured so far.
    report const& parts() const { return report_; }
    /// Measures the load generator alone, too, which is in no sum: its share is counted beside the intake.
    void measure_generator_alone();

  private:
    part_cost const& store(traffic const& of);
    part_cost const& egress(traffic const& of);
    part_cost const& intake(traffic const& of);
    part_cost const& signing(traffic const& of);
    template <class Measure>
    part_cost const& once(std::string const& name, Measure measure);

    scratch_dir const& in_;
    double seconds_;
    std::map<std::string, part_cost> known_;
    report report_{"parts",
                   {{"part", "part"},
                    {"a second", "per_second"},
                    {"daemon µs", "cpu_us.daemon", 1},
                    {"PostgreSQL µs", "cpu_us.postgres", 1},
                    {"nginx µs", "cpu_us.receiver", 1},
                    {"load µs", "cpu_us.load", 1}}};
};

} // namespace klen::bench
