// Random trace requests, from lifelike to broken, the same for the same seed.

#ifndef SPANMETER_TESTS_OTLP_RANDOM_REQUEST_H_
#define SPANMETER_TESTS_OTLP_RANDOM_REQUEST_H_

#include <cstdint>
#include <random>
#include <string>

namespace spanmeter::testing {

class RandomRequests {
 public:
  explicit RandomRequests(uint64_t seed) : random_(seed) {}

  // A well-formed request whose fields come in any order, any number of times, with unknown fields,
  // groups and unexpected wire types among them.
  std::string WellFormed();

  // Changes some bytes: flips bits, cuts, inserts, repeats and moves stretches.
  void Damage(std::string* bytes);

  // Below `n`.
  uint64_t Below(uint64_t n) { return random_() % n; }

 private:
  enum class Kind : uint8_t;
  struct Field;

  std::string Message(Kind kind, int depth);
  std::string Text();
  std::string Id(size_t size);

  std::mt19937_64 random_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_RANDOM_REQUEST_H_
