// Sends spans to a generator, as the receivers do.

#ifndef SPANMETER_TESTS_GENERATOR_SEND_SPANS_H_
#define SPANMETER_TESTS_GENERATOR_SEND_SPANS_H_

#include <utility>
#include <vector>

#include "spanmeter/generator.h"

#include "processors/span_builder.h"

namespace spanmeter::testing {

// One request, from the first byte to the commit.
inline void SendSpans(Generator* generator, const std::vector<TestResource>& resources) {
  auto session = generator->BorrowSession();
  session->StartRequest();
  Visit(session->attributes(), resources, session.get());
  GeneratorSession::Received received = {0, 0, 1};
  for (const TestResource& resource : resources) received.spans += resource.spans.size();
  session->Commit(received);
  generator->ReturnSession(std::move(session));
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_GENERATOR_SEND_SPANS_H_
