// Stopping the OTLP/HTTP port.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "otlp/http_server_fixture.h"

namespace spanmeter {
namespace {

using testing::HttpAnswer;
using testing::HttpClient;
using testing::kProtobuf;

class OtlpHttpShutdownTest : public testing::HttpServerFixture {};

TEST_F(OtlpHttpShutdownTest, UnderLoadExactlyWhatWasAcknowledgedIsCounted) {
  Start();
  constexpr int kSpans = 20;
  const std::string request = RequestOf(kSpans);
  std::atomic<uint64_t> acknowledged{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      HttpClient client(address());
      for (;;) {
        const HttpAnswer answer = client.Post(request, kProtobuf);
        if (answer.status != 200) {
          // Refused, or the connection ended: both are to be retried.
          EXPECT_TRUE(answer.status == 503 || answer.status == 0) << answer.status;
          return;
        }
        ++acknowledged;
      }
    });
  }
  while (acknowledged < 200) std::this_thread::yield();
  server_->Shutdown(30 * kNanosPerSecond);
  const double counted = test_.Calls();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(static_cast<double>(acknowledged * kSpans), counted);
  EXPECT_EQ(counted, test_.Calls());
}

TEST_F(OtlpHttpShutdownTest, ARequestInFlightIsFinishedAndCounted) {
  Start();
  HttpClient client(address());
  test_.clock.HoldNext();
  HttpAnswer answer;
  std::thread caller([&] { answer = client.Post(RequestOf(7), kProtobuf); });
  test_.clock.WaitUntilHolding();
  HttpClient late(address());
  ASSERT_EQ(200, late.Post("", kProtobuf).status);
  std::thread stopper([&] { server_->Shutdown(30 * kNanosPerSecond); });
  // New requests are refused from some moment on, while the other one is still being worked on.
  HttpAnswer refused;
  do {
    refused = HttpClient(address()).Post("", kProtobuf);
  } while (refused.status == 200);
  EXPECT_EQ(503, refused.status);
  EXPECT_EQ("1", refused.fields.at("retry-after"));
  EXPECT_EQ("close", refused.fields.at("connection"));
  test_.clock.Release();
  caller.join();
  stopper.join();
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("close", answer.fields.at("connection"));
  EXPECT_EQ(7, test_.Calls());
  EXPECT_TRUE(late.IsClosed());
}

TEST_F(OtlpHttpShutdownTest, AfterTheGraceTheRestIsNotCounted) {
  Start();
  HttpClient client(address());
  test_.clock.HoldNext();
  HttpAnswer answer;
  std::thread caller([&] { answer = client.Post(RequestOf(7), kProtobuf); });
  test_.clock.WaitUntilHolding();
  std::thread stopper([&] { server_->Shutdown(0); });
  // Nobody listens any more when the grace is over.
  EXPECT_TRUE(Eventually([&] {
    HttpClient other(address());
    return other.Post("", kProtobuf).status == 0;
  }));
  test_.clock.Release();
  stopper.join();
  caller.join();
  EXPECT_NE(200, answer.status);
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpHttpShutdownTest, ConnectionsWaitUntilItServes) {
  std::string error;
  server_ = HttpReceiver::Open(options_, limits_, &test_.tenants, &test_.clock, &test_.logger,
                               &test_.metrics, &error);
  ASSERT_NE(nullptr, server_) << error;
  HttpClient client(address());
  HttpAnswer answer;
  std::thread caller([&] { answer = client.Post(RequestOf(7), kProtobuf); });
  server_->Serve();
  caller.join();
  EXPECT_EQ(200, answer.status);
}

TEST_F(OtlpHttpShutdownTest, WhatNeverServedStopsAsWell) {
  std::string error;
  server_ = HttpReceiver::Open(options_, limits_, &test_.tenants, &test_.clock, &test_.logger,
                               &test_.metrics, &error);
  ASSERT_NE(nullptr, server_) << error;
  HttpClient client(address());
  server_->Shutdown(30 * kNanosPerSecond);
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(OtlpHttpShutdownTest, ClosesIdleAndHalfReadConnections) {
  Start();
  HttpClient idle(address());
  EXPECT_EQ(200, idle.Post("", kProtobuf).status);
  HttpClient half(address());
  half.Send("POST /v1/traces HTTP/1.1\r\nContent-Le");
  server_->Shutdown(30 * kNanosPerSecond);
  EXPECT_TRUE(idle.IsClosed());
  EXPECT_TRUE(half.IsClosed());
  server_->Shutdown(0);  // once more
}

}  // namespace
}  // namespace spanmeter
