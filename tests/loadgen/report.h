// What spanmeter-loadgen prints.

#ifndef SPANMETER_TESTS_LOADGEN_REPORT_H_
#define SPANMETER_TESTS_LOADGEN_REPORT_H_

#include <optional>
#include <string>

#include "loadgen/client.h"

namespace spanmeter::loadgen {

// The line of one second: what was added since the last one.
std::string ProgressLine(double elapsed_seconds, double interval_seconds, const Score& before,
                         const Score& now);

struct Summary {
  Score score;
  double elapsed_seconds = 0;
  // Processor time that the server used meanwhile; nullopt: not known.
  std::optional<double> server_cpu_seconds;
};

// Several lines for people.
std::string SummaryText(const Summary& summary);
// One line for programs.
std::string SummaryJson(const Summary& summary);

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_REPORT_H_
