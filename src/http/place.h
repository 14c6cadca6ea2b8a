// One of a bounded number of places.

#ifndef SPANMETER_SRC_HTTP_PLACE_H_
#define SPANMETER_SRC_HTTP_PLACE_H_

#include <atomic>

namespace spanmeter {

// Holds one of a bounded number of places for the length of a scope, if there is one.
class Place {
 public:
  Place(std::atomic<int>* taken, int limit) : taken_(taken), ok_(taken->fetch_add(1) < limit) {}
  ~Place() { taken_->fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  bool ok() const { return ok_; }

 private:
  std::atomic<int>* const taken_;
  const bool ok_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_PLACE_H_
