// How many distinct things were seen of late, estimated in a few KiB.
//
// HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with 1,024 registers of a byte: standard
// error 1.04 / sqrt(1024) = 3.25 %. A ring of sketches, each for a part of the window, lets old
// sightings fade out.

#ifndef SPANMETER_DEMAND_SKETCH_H_
#define SPANMETER_DEMAND_SKETCH_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace spanmeter {

class StateReader;
class StateWriter;

// What label sets and label values are told apart by when their demand is estimated. Any hash will
// do, as nothing is looked up by it, but it must be the same in the next process.
inline constexpr uint64_t kDemandSeed = 0;

// Not thread-safe.
class DemandSketch {
 public:
  // Sightings count for at least `window_nanos` and at most a quarter more. REQUIRES: at least 4.
  explicit DemandSketch(int64_t window_nanos);

  // Notes the thing with this (well mixed) hash at a time of the monotonic clock; times do not
  // decrease by more than the window.
  void Add(uint64_t hash, int64_t now_nanos);

  // The number of distinct hashes within the window.
  uint64_t Estimate(int64_t now_nanos) const;

  // Appends the sightings to the current record.
  void Save(int64_t now_nanos, StateWriter* writer) const;
  // Adds the sightings that Save() appended, unless they are of another window. False when the
  // record holds none.
  bool Restore(int64_t now_nanos, StateReader* reader);

 private:
  static constexpr size_t kRegisterBits = 10;
  static constexpr size_t kRegisters = size_t{1} << kRegisterBits;
  // Four parts make up the window, the fifth is being filled.
  static constexpr size_t kParts = 5;

  struct Part {
    int64_t number = -1;  // of the part of time that it holds; -1: nothing yet
    std::array<uint8_t, kRegisters> registers = {};
  };

  Part& PartOf(int64_t number) { return parts_[static_cast<size_t>(number) % kParts]; }

  int64_t part_nanos_;
  std::array<Part, kParts> parts_;
};

}  // namespace spanmeter

#endif  // SPANMETER_DEMAND_SKETCH_H_
