#include "spanmeter/demand_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace spanmeter {

DemandSketch::DemandSketch(int64_t window_nanos)
    : part_nanos_(window_nanos / static_cast<int64_t>(kParts - 1)) {}

void DemandSketch::Add(uint64_t hash, int64_t now_nanos) {
  const int64_t number = now_nanos / part_nanos_;
  Part& part = parts_[static_cast<size_t>(number) % kParts];
  if (part.number != number) {
    part.number = number;
    part.registers.fill(0);
  }
  uint8_t& cell = part.registers[hash >> (64 - kRegisterBits)];
  // The rank of the first one bit among those that did not choose the register.
  const auto rank = static_cast<uint8_t>(
      std::countl_zero(hash << kRegisterBits | uint64_t{1} << (kRegisterBits - 1)) + 1);
  cell = std::max(cell, rank);
}

uint64_t DemandSketch::Estimate(int64_t now_nanos) const {
  const int64_t now = now_nanos / part_nanos_;
  std::array<uint8_t, kRegisters> merged = {};
  for (const Part& part : parts_) {
    if (part.number < 0 || part.number + static_cast<int64_t>(kParts) <= now) continue;
    for (size_t i = 0; i < kRegisters; ++i) {
      merged[i] = std::max(merged[i], part.registers[i]);
    }
  }
  double sum = 0;
  size_t zeros = 0;
  for (const uint8_t rank : merged) {
    sum += std::ldexp(1.0, -rank);
    zeros += rank == 0 ? 1 : 0;
  }
  constexpr double kM = kRegisters;
  constexpr double kAlpha = 0.7213 / (1 + 1.079 / kM);
  const double raw = kAlpha * kM * kM / sum;
  // Few distinct things leave registers empty; counting those is more exact then.
  if (raw <= 2.5 * kM && zeros != 0) {
    return static_cast<uint64_t>(std::llround(kM * std::log(kM / static_cast<double>(zeros))));
  }
  return static_cast<uint64_t>(std::llround(raw));
}

}  // namespace spanmeter
