#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// The fuzzer's bytes as a sequence of choices; zeros when they are used up.
class byte_source {
  public:
    byte_source(std::uint8_t const* data, std::size_t size) : data_(data), size_(size) {}

    bool empty() const { return at_ >= size_; }
    std::uint8_t byte() { return empty() ? std::uint8_t{0} : data_[at_++]; }
    std::uint32_t below(std::uint32_t n) { return n == 0 ? 0 : byte() % n; }
    std::string_view rest() const { return {reinterpret_cast<char const*>(data_) + at_, size_ - at_}; }

  private:
    std::uint8_t const* data_;
    std::size_t size_;
    std::size_t at_ = 0;
};
