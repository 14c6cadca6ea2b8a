#include "http/scrape_log.h"

#include <algorithm>
#include <utility>

namespace spanmeter {

namespace {

constexpr size_t kMaxRecords = 20;

}  // namespace

void ScrapeLog::Add(ScrapeRecord record) {
  const MutexLock lock(&mutex_);
  const auto same = std::find_if(records_.begin(), records_.end(), [&record](const auto& other) {
    return other.path == record.path && other.peer == record.peer;
  });
  if (same != records_.end()) {
    records_.erase(same);
  } else if (records_.size() == kMaxRecords) {
    records_.erase(records_.begin());
  }
  records_.push_back(std::move(record));
}

std::vector<ScrapeRecord> ScrapeLog::Last() const {
  const MutexLock lock(&mutex_);
  return {records_.rbegin(), records_.rend()};
}

}  // namespace spanmeter
