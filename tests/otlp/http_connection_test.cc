// How the OTLP/HTTP port reads requests, whatever way they come, and what it does with peers that
// are slow, idle or too many.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/http_server_fixture.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;
using testing::HttpAnswer;
using testing::HttpClient;
using testing::kProtobuf;

std::string Head(const std::string& fields) {
  return "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n" +
         fields + "\r\n";
}

std::string InChunks(const std::string& body, size_t size) {
  std::string chunks;
  for (size_t at = 0; at < body.size(); at += size) {
    const std::string chunk = body.substr(at, size);
    char length[20];
    snprintf(length, sizeof length, "%zx", chunk.size());
    chunks.append(length).append("\r\n").append(chunk).append("\r\n");
  }
  return chunks + "0\r\n\r\n";
}

class HttpConnectionTest : public testing::HttpServerFixture {};

TEST_F(HttpConnectionTest, ReadsBodiesInChunks) {
  Start();
  HttpClient client(address());
  const std::string body = RequestOf(300);
  for (const size_t size : {size_t{1000}, size_t{70'000}, body.size()}) {
    client.Send(Head("Transfer-Encoding: chunked\r\n") + InChunks(body, size));
    ASSERT_EQ(200, client.Receive().status) << size;
  }
  EXPECT_EQ(900, test_.Calls());
}

TEST_F(HttpConnectionTest, ChunksMayHaveExtensionsAndTrailers) {
  Start();
  HttpClient client(address());
  client.Send(Head("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n") +
              "0;name=value\r\nX-Sum: 1\r\n\r\n");
  EXPECT_EQ(200, client.Receive().status);
  EXPECT_EQ(200, client.Post(RequestOf(1), kProtobuf).status);
}

TEST_F(HttpConnectionTest, ReadsRequestsByteByByte) {
  Start();
  HttpClient client(address());
  const std::string body = RequestOf(1);
  for (const std::string& request :
       {Head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body,
        Head("Transfer-Encoding: chunked\r\n") + InChunks(body, 7)}) {
    for (const char byte : request) client.Send({&byte, 1});
    ASSERT_EQ(200, client.Receive().status);
  }
  EXPECT_EQ(2, test_.Calls());
}

TEST_F(HttpConnectionTest, AnswersPipelinedRequestsInOrder) {
  Start();
  HttpClient client(address());
  const std::string body = RequestOf(2);
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += Head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body;
    requests += "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.Send(requests);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(200, client.Receive().status);
    ASSERT_EQ(404, client.Receive().status);
  }
  EXPECT_EQ(100, test_.Calls());
}

TEST_F(HttpConnectionTest, ClosesTheConnectionWhenTheClientWantsIt) {
  Start();
  HttpClient client(address());
  const HttpAnswer answer = client.Post("", kProtobuf, "Connection: close\r\n");
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("close", answer.fields.at("connection"));
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(HttpConnectionTest, SpeaksHttp10) {
  Start();
  HttpClient client(address());
  client.Send(
      "POST /v1/traces HTTP/1.0\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(200, client.Receive().status);
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(HttpConnectionTest, HeadIsAnsweredWithoutABody) {
  Start();
  HttpClient client(address());
  client.Send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  // The client of this test believes the length and waits for a body: none comes.
  EXPECT_EQ(0, client.Receive().status);
  EXPECT_EQ(1, Answered("404"));
}

TEST_F(HttpConnectionTest, TellsClientsThatAskToGoOn) {
  Start();
  HttpClient client(address());
  const std::string body = RequestOf(5);
  client.Send(
      Head("Expect: 100-continue\r\nContent-Length: " + std::to_string(body.size()) + "\r\n"));
  EXPECT_EQ(100, client.Receive().status);
  client.Send(body);
  EXPECT_EQ(200, client.Receive().status);
  client.Send(Head("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_EQ(100, client.Receive().status);
  client.Send(InChunks(body, 100));
  EXPECT_EQ(200, client.Receive().status);
  EXPECT_EQ(10, test_.Calls());
}

TEST_F(HttpConnectionTest, AnythingElseThatIsExpectedIsRefused) {
  Start();
  HttpClient client(address());
  client.Send(Head("Expect: rain\r\nContent-Length: 1\r\n"));
  EXPECT_EQ(417, client.Receive().status);
}

TEST_F(HttpConnectionTest, WhatIsAnnouncedTooLargeIsRefusedUnread) {
  Start();
  HttpClient client(address());
  client.Send(Head("Expect: 100-continue\r\nContent-Length: 1048577\r\n"));
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(413, answer.status);
  EXPECT_THAT(answer.body, HasSubstr("max_message_size (1048576 bytes)"));
  EXPECT_EQ("close", answer.fields.at("connection"));
}

TEST_F(HttpConnectionTest, AClientThatSendsOnGetsTheAnswerNevertheless) {
  Start();
  HttpClient client(address());
  // More than the sockets take: it is still sending when the answer comes.
  const std::string body(32 << 20, 'x');
  EXPECT_EQ(413, client.Post(body, kProtobuf).status);
}

TEST_F(HttpConnectionTest, ChunksThatGrowTooLargeAreRefused) {
  Start();
  HttpClient client(address());
  client.Send(Head("Transfer-Encoding: chunked\r\n") +
              InChunks(std::string((1 << 20) + 1, 'x'), 100'000));
  EXPECT_EQ(413, client.Receive().status);
  EXPECT_EQ(1, Answered("413"));
}

TEST_F(HttpConnectionTest, TheLargestRequestIsTaken) {
  Start();
  HttpClient client(address());
  // One unknown field that fills it: tag, length of 3 bytes, content.
  std::string body("\x7a\xfc\xff\x3f", 4);
  body.resize(1 << 20, 'x');
  EXPECT_EQ(200, client.Post(body, kProtobuf).status);
  client.Send(Head("Transfer-Encoding: chunked\r\n") + InChunks(body, 300'000));
  EXPECT_EQ(200, client.Receive().status);
}

TEST_F(HttpConnectionTest, LargeHeadersAreRefused) {
  Start();
  for (const std::string& fields : {"X: " + std::string(17'000, 'x') + "\r\n", [] {
                                      std::string many;
                                      for (int i = 0; i < 120; ++i)
                                        many += "X" + std::to_string(i) + ": 1\r\n";
                                      return many;
                                    }()}) {
    HttpClient client(address());
    client.Send(Head(fields + "Content-Length: 0\r\n"));
    EXPECT_EQ(431, client.Receive().status);
  }
  EXPECT_EQ(2, Answered("431"));
}

TEST_F(HttpConnectionTest, WhatIsNoHttpIsRefused) {
  Start();
  for (const char* bytes :
       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "hello\r\n\r\n",
        "POST /v1/traces HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/traces HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /v1/traces HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    HttpClient client(address());
    client.Send(bytes);
    EXPECT_EQ(400, client.Receive().status) << bytes;
  }
}

TEST_F(HttpConnectionTest, BrokenChunksAreRefused) {
  Start();
  for (const std::string& chunks :
       {std::string("x\r\n"), std::string("5\r\nabcdefgh\r\n"), "1;" + std::string(20'000, 'x')}) {
    HttpClient client(address());
    client.Send(Head("Transfer-Encoding: chunked\r\n") + chunks);
    EXPECT_EQ(400, client.Receive().status) << chunks.substr(0, 20);
  }
}

TEST_F(HttpConnectionTest, OtherTransferCodingsAreRefused) {
  Start();
  HttpClient client(address());
  client.Send(Head("Transfer-Encoding: gzip, chunked\r\n"));
  EXPECT_EQ(501, client.Receive().status);
}

TEST_F(HttpConnectionTest, ARequestThatIsCutOffCountsNothing) {
  Start();
  const std::string body = RequestOf(5);
  {
    HttpClient client(address());
    client.Send(Head("Content-Length: " + std::to_string(body.size()) + "\r\n") +
                body.substr(0, body.size() / 2));
    client.EndSending();
    EXPECT_TRUE(client.IsClosed());
  }
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(HttpConnectionTest, WhoeverHasHungUpIsNotCounted) {
  Start();
  HttpClient client(address());
  test_.clock.HoldNext();
  const std::string body = RequestOf(5);
  client.Send(Head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body);
  test_.clock.WaitUntilHolding();
  client.EndSending();
  test_.clock.Release();
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(503, answer.status);  // it would send the spans again
  EXPECT_EQ("1", answer.fields.at("retry-after"));
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(HttpConnectionTest, BodiesBeingReceivedAreBoundedTogether) {
  options_.max_in_flight = 1 << 20;
  Start();
  // Half a request each keeps its memory.
  const std::string half(400'000, 'x');
  std::vector<std::unique_ptr<HttpClient>> clients;
  int refused = 0;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<HttpClient>(address()));
    clients.back()->Send(Head("Content-Length: 800000\r\n") + half);
  }
  ASSERT_TRUE(Eventually([&] { return Answered("429") >= 6; }));
  for (const auto& client : clients) {
    if (refused == 6) break;
    client->EndSending();
    const HttpAnswer answer = client->Receive();
    if (answer.status == 0) continue;
    EXPECT_EQ(429, answer.status);
    EXPECT_EQ("1", answer.fields.at("retry-after"));
    EXPECT_THAT(answer.body, HasSubstr("max_in_flight"));
    ++refused;
  }
  EXPECT_EQ(6, refused);
  clients.clear();
  // All of it is given back, so there is room for the largest. Who is refused must connect anew.
  std::string body("\x7a\xfc\xff\x3f", 4);
  body.resize(1 << 20, 'x');
  ASSERT_TRUE(
      Eventually([&] { return HttpClient(address()).Post(body, kProtobuf).status == 200; }));
}

TEST_F(HttpConnectionTest, WhatIsBeingWorkedOnIsBounded) {
  options_.max_in_flight = options_.max_message_size = 200'000;
  Start();
  const std::string body = RequestOf(100);
  HttpClient holding(address());
  test_.clock.HoldNext();
  holding.Send(Head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body);
  test_.clock.WaitUntilHolding();
  HttpClient client(address());
  std::string large("\x7a\x90\xa1\x0b", 4);  // an unknown field of 184464 bytes
  large.resize(4 + 184'464, 'x');
  const HttpAnswer answer = client.Post(large, kProtobuf);
  EXPECT_EQ(429, answer.status);
  EXPECT_EQ("1", answer.fields.at("retry-after"));
  test_.clock.Release();
  EXPECT_EQ(200, holding.Receive().status);
  EXPECT_EQ(100, test_.Calls());
}

TEST_F(HttpConnectionTest, ConnectionsBeyondTheBoundAreClosedAndCounted) {
  limits_.connections = 3;
  Start();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<HttpClient>(address()));
    EXPECT_EQ(200, clients.back()->Post("", kProtobuf).status);
  }
  HttpClient one_more(address());
  EXPECT_TRUE(one_more.IsClosed());
  EXPECT_EQ(1, test_.Self("spanmeter_otlp_connections_refused_total", "transport", "http"));
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return HttpClient(address()).Post("", kProtobuf).status == 200; }));
}

TEST_F(HttpConnectionTest, SlowHeadsAreGivenUp) {
  Start();
  HttpClient silent(address());
  HttpClient slow(address());
  EXPECT_EQ(200, slow.Post("", kProtobuf).status);
  slow.Send("POST /v1/tr");
  HttpClient other(address());
  EXPECT_EQ(200, other.Post("", kProtobuf).status);
  // What is idle may be so for longer than ten times that.
  EXPECT_TRUE(IsClosedAfter(21 * kNanosPerSecond, &silent));
  EXPECT_TRUE(IsClosedAfter(21 * kNanosPerSecond, &slow));
  EXPECT_EQ(200, other.Post("", kProtobuf).status);
}

TEST_F(HttpConnectionTest, SlowBodiesAreGivenUp) {
  Start();
  HttpClient slow(address());
  slow.Send(Head("Expect: 100-continue\r\nContent-Length: 10\r\n"));
  EXPECT_EQ(100, slow.Receive().status);
  slow.Send("x");
  EXPECT_TRUE(IsClosedAfter(11 * kNanosPerSecond, &slow));
}

TEST_F(HttpConnectionTest, BodiesThatTrickleInAreGivenUpInTheEnd) {
  Start();
  HttpClient slow(address());
  slow.Send(Head("Expect: 100-continue\r\nContent-Length: 1000\r\n"));
  EXPECT_EQ(100, slow.Receive().status);
  int sent = 0;
  while (!slow.HasBeenClosed() && sent < 900) {
    slow.Send("x");
    ++sent;
    HttpClient other(address());  // the other has been read meanwhile, as a rule
    ASSERT_EQ(200, other.Post("", kProtobuf).status);
    test_.clock.Advance(kNanosPerSecond);
  }
  // A minute, and what the first bytes took.
  EXPECT_GE(sent, 10);
  EXPECT_LT(sent, 900);
}

TEST_F(HttpConnectionTest, IdleConnectionsAreClosedAfterMinutes) {
  Start();
  HttpClient idle(address());
  EXPECT_EQ(200, idle.Post("", kProtobuf).status);
  test_.clock.Advance(14 * 60 * kNanosPerSecond);
  EXPECT_EQ(200, idle.Post("", kProtobuf).status);
  test_.clock.Advance(14 * 60 * kNanosPerSecond);
  EXPECT_EQ(200, idle.Post("", kProtobuf).status);
  EXPECT_TRUE(IsClosedAfter(16 * 60 * kNanosPerSecond, &idle));
}

TEST_F(HttpConnectionTest, RequestsThatTakeLongAreNotCutOff) {
  Start();
  HttpClient client(address());
  test_.clock.HoldNext();
  const std::string body = RequestOf(5);
  client.Send(Head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body);
  test_.clock.WaitUntilHolding();
  test_.clock.Advance(3600 * kNanosPerSecond);
  // The sweep has been there when it closes this one.
  HttpClient silent(address());
  EXPECT_TRUE(IsClosedAfter(21 * kNanosPerSecond, &silent));
  test_.clock.Release();
  EXPECT_EQ(200, client.Receive().status);
  EXPECT_EQ(5, test_.Calls());
}

}  // namespace
}  // namespace spanmeter
