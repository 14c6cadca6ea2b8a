// Sends batches by OTLP over HTTP.

#ifndef SPANMETER_TESTS_LOADGEN_HTTP_WORKER_H_
#define SPANMETER_TESTS_LOADGEN_HTTP_WORKER_H_

#include <memory>
#include <string>

#include "loadgen/batch_source.h"
#include "loadgen/load_options.h"
#include "loadgen/worker.h"

namespace spanmeter::loadgen {

// A connection of HTTP/1.1, with one request at a time.
class HttpWorker final : public Worker {
 public:
  // The pointers must outlive this.
  HttpWorker(const LoadOptions& options, Pacer* pacer, BatchSource* source);
  ~HttpWorker() override;

  // Whether the server can be reached; otherwise *error says why.
  static bool CanConnect(const LoadOptions& options, std::string* error);

 private:
  class Connection;

  void SendAll() override;

  Pacer* const pacer_;
  BatchSource* const source_;
  const std::unique_ptr<Connection> connection_;
};

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_HTTP_WORKER_H_
