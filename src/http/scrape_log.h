// The last scrapes, for people who wonder who scrapes what.

#ifndef SPANMETER_SRC_HTTP_SCRAPE_LOG_H_
#define SPANMETER_SRC_HTTP_SCRAPE_LOG_H_

#include <vector>

#include "spanmeter/http_server.h"
#include "spanmeter/mutex.h"

namespace spanmeter {

// Thread-safe.
class ScrapeLog {
 public:
  // Replaces what the same peer did on the same path.
  void Add(ScrapeRecord record);
  // Newest first, at most 20.
  std::vector<ScrapeRecord> Last() const;

 private:
  mutable Mutex mutex_;
  std::vector<ScrapeRecord> records_ GUARDED_BY(mutex_);  // oldest first
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_SCRAPE_LOG_H_
