#include "loadgen/report.h"

#include <cstdarg>
#include <cstdio>
#include <utility>

namespace spanmeter::loadgen {
namespace {

constexpr std::pair<const char*, double> kQuantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string Format(const char* format, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof(buffer), format, arguments);
  va_end(arguments);
  return buffer;
}

double Millis(int64_t nanos) { return static_cast<double>(nanos) / 1e6; }

uint64_t Refused(const Score& score) {
  uint64_t sum = 0;
  for (const auto& [code, spans] : score.refused_spans) sum += spans;
  return sum;
}

unsigned long long Print(uint64_t number) { return number; }

double PerSecond(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

std::optional<double> CpuPerMillion(const Summary& summary) {
  if (!summary.server_cpu_seconds || summary.score.acknowledged_spans == 0) return std::nullopt;
  return *summary.server_cpu_seconds * 1e6 / static_cast<double>(summary.score.acknowledged_spans);
}

}  // namespace

std::string ProgressLine(double elapsed_seconds, double interval_seconds, const Score& before,
                         const Score& now) {
  return Format("%6.1f s  %10.0f spans/s  acknowledged %llu  refused %llu  rejected %llu",
                elapsed_seconds,
                PerSecond(now.acknowledged_spans - before.acknowledged_spans, interval_seconds),
                Print(now.acknowledged_spans), Print(Refused(now)), Print(now.rejected_spans));
}

std::string SummaryText(const Summary& summary) {
  const Score& score = summary.score;
  std::string text =
      Format("spans        %llu in %llu requests, %.2f s, %.0f spans/s acknowledged\n",
             Print(score.sent_spans), Print(score.requests), summary.elapsed_seconds,
             PerSecond(score.acknowledged_spans, summary.elapsed_seconds));
  text += Format("acknowledged %llu\n", Print(score.acknowledged_spans));
  text += Format("refused      %llu\n", Print(Refused(score)));
  for (const auto& [code, spans] : score.refused_spans) {
    text += Format("             %s %llu: ", code.c_str(), Print(spans));
    text += score.error_example.at(code) + "\n";
  }
  text += Format("rejected     %llu (partial success)\n", Print(score.rejected_spans));
  text += "latency     ";
  for (const auto& [name, q] : kQuantiles) {
    text += Format(" %s %.2f ms ", name, Millis(score.latency.Quantile(q)));
  }
  text += Format(" max %.2f ms\n", Millis(score.latency.max_nanos()));
  if (const std::optional<double> cpu = CpuPerMillion(summary)) {
    text += Format("server CPU   %.3f s per million spans (%.2f s)\n", *cpu,
                   *summary.server_cpu_seconds);
  }
  return text;
}

std::string SummaryJson(const Summary& summary) {
  const Score& score = summary.score;
  std::string json = Format(
      "{\"requests\":%llu,\"spans\":%llu,\"acknowledged\":%llu,\"rejected\":%llu,"
      "\"elapsed_seconds\":%.6f,\"spans_per_second\":%.1f,\"refused\":{",
      Print(score.requests), Print(score.sent_spans), Print(score.acknowledged_spans),
      Print(score.rejected_spans), summary.elapsed_seconds,
      PerSecond(score.acknowledged_spans, summary.elapsed_seconds));
  bool first = true;
  for (const auto& [code, spans] : score.refused_spans) {
    json += Format("%s\"%s\":%llu", first ? "" : ",", code.c_str(), Print(spans));
    first = false;
  }
  json += "},\"latency_ms\":{";
  for (const auto& [name, q] : kQuantiles) {
    json += Format("\"%s\":%.4f,", name, Millis(score.latency.Quantile(q)));
  }
  json += Format("\"max\":%.4f}", Millis(score.latency.max_nanos()));
  if (const std::optional<double> cpu = CpuPerMillion(summary)) {
    json += Format(",\"server_cpu_seconds_per_million_spans\":%.4f", *cpu);
  }
  return json + "}\n";
}

}  // namespace spanmeter::loadgen
