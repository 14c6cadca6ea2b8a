// Sends batches over many connections and keeps the score.

#ifndef SPANMETER_TESTS_LOADGEN_CLIENT_H_
#define SPANMETER_TESTS_LOADGEN_CLIENT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/channel.h>

#include "spanmeter/mutex.h"

#include "loadgen/batch_source.h"
#include "loadgen/latency_histogram.h"
#include "loadgen/load_options.h"

namespace spanmeter::loadgen {

// What happened so far.
struct Score {
  uint64_t requests = 0;            // answered, also with an error
  uint64_t sent_spans = 0;          // in these
  uint64_t acknowledged_spans = 0;  // in requests answered with success, without the rejected ones
  uint64_t rejected_spans = 0;      // by partial_success
  std::map<std::string, uint64_t> refused_spans;     // in requests that failed, by status code
  std::map<std::string, std::string> error_example;  // by status code
  LatencyHistogram latency;                          // of successful requests

  void Merge(const Score& other);
};

// Decides when the next request goes out and when there are enough. Thread-safe.
class Pacer {
 public:
  using TimePoint = std::chrono::system_clock::time_point;

  explicit Pacer(const LoadOptions& options);

  // Claims the next request. Returns false when no more are to be sent; otherwise *when is the time
  // to send it, which may have passed.
  bool Claim(TimePoint* when);
  // Corrects the plan by the size of the request that was claimed.
  void Sent(uint64_t spans);
  // From now on there is nothing to claim.
  void Stop();

 private:
  const double rate_;
  const uint64_t max_spans_;
  const TimePoint end_;
  Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  uint64_t spans_ GUARDED_BY(mutex_) = 0;
  TimePoint next_ GUARDED_BY(mutex_);
};

class Worker;

class Client {
 public:
  // `source` must outlive the client.
  Client(const LoadOptions& options, BatchSource* source);
  ~Client();

  // Opens the connections. Returns false and says why in *error when one of them is not up within
  // 5 seconds or a file of the TLS options cannot be read.
  bool Connect(std::string* error);
  // Begins to send.
  void Start();
  // Sends no new requests; those on their way are waited for, each up to its deadline.
  void Stop() { pacer_->Stop(); }
  // Whether everything is sent and answered.
  bool done() const;
  // Waits until done().
  void Join();
  Score score() const;

 private:
  const LoadOptions options_;
  BatchSource* const source_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::unique_ptr<Pacer> pacer_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_CLIENT_H_
