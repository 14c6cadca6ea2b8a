#include "spanmeter/curl_client.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include "spanmeter/configured_text.h"

#include "http_client/oauth2_token.h"

namespace spanmeter {

namespace {

constexpr int64_t kMaxConnectNanos = 10 * kNanosPerSecond;
// Connections are made anew now and then: names may have other addresses by then, and certificates
// may have changed.
constexpr long kMaxConnectionSeconds = 300;
constexpr int kMaxRedirects = 10;
// Of an answer: what is kept, and where the transfer ends.
constexpr size_t kKeptBodyBytes = size_t{4} << 10;
constexpr size_t kKeptTokenBytes = size_t{64} << 10;
constexpr size_t kMaxBodyBytes = size_t{1} << 20;
constexpr size_t kMaxHeaderBytes = size_t{64} << 10;
// Easy handles that are kept.
constexpr size_t kMaxIdleHandles = 16;

constexpr int kUnauthorized = 401;

struct SlistDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistDeleter>;

void AppendTo(Slist* list, const std::string& text) {
  curl_slist* const longer = curl_slist_append(list->get(), text.c_str());
  if (longer == nullptr) return;  // out of memory
  static_cast<void>(list->release());
  list->reset(longer);
}

long CurlTlsVersion(TlsVersion version) {
  switch (version) {
    case TlsVersion::kTls10:
      return CURL_SSLVERSION_TLSv1_0;
    case TlsVersion::kTls11:
      return CURL_SSLVERSION_TLSv1_1;
    case TlsVersion::kTls12:
      return CURL_SSLVERSION_TLSv1_2;
    case TlsVersion::kTls13:
      break;
  }
  return CURL_SSLVERSION_TLSv1_3;
}

// A part of a URL; empty when there is none.
std::string PartOf(const std::string& url, CURLUPart part) {
  CURLU* const handle = curl_url();
  std::string text;
  char* found = nullptr;
  if (curl_url_set(handle, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(handle, part, &found, CURLU_DEFAULT_PORT) == CURLUE_OK) {
    text = found;
    curl_free(found);
  }
  curl_url_cleanup(handle);
  return text;
}

// What credentials are meant for: scheme, host and port.
std::string OriginOf(const std::string& url) {
  return PartOf(url, CURLUPART_SCHEME) + "://" + PartOf(url, CURLUPART_HOST) + ":" +
         PartOf(url, CURLUPART_PORT);
}

// The URL with another host.
std::string WithHost(const std::string& url, const std::string& host) {
  CURLU* const handle = curl_url();
  std::string text = url;
  char* changed = nullptr;
  if (curl_url_set(handle, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_set(handle, CURLUPART_HOST, host.c_str(), 0) == CURLUE_OK &&
      curl_url_get(handle, CURLUPART_URL, &changed, 0) == CURLUE_OK) {
    text = changed;
    curl_free(changed);
  }
  curl_url_cleanup(handle);
  return text;
}

// One POST on its way, redirects included.
struct Transfer {
  CURL* easy = nullptr;
  HttpRequest request;
  HttpResponse response;
  std::string url;
  Slist headers;
  Slist connect_to;
  bool is_token = false;
  bool token_in_body = false;  // the second way to ask for a token
  bool had_new_token = false;  // a request that was refused with an old one
  std::string token;           // the one that it was sent with
  int redirects = 0;
  int64_t begin_nanos = 0;
  // Of the answer so far.
  size_t body_bytes = 0;
  size_t header_bytes = 0;
  char error[CURL_ERROR_SIZE] = {};

  void StartAnswer() {
    response.headers.clear();
    response.body.clear();
    body_bytes = 0;
    header_bytes = 0;
    error[0] = '\0';
  }
};

size_t WriteBody(char* data, size_t size, size_t count, void* user) noexcept {
  auto* const transfer = static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  const size_t kept = transfer->is_token ? kKeptTokenBytes : kKeptBodyBytes;
  std::string& body = transfer->response.body;
  body.append(data, std::min(bytes, kept - std::min(kept, body.size())));
  transfer->body_bytes += bytes;
  return transfer->body_bytes > kMaxBodyBytes ? 0 : bytes;  // 0 ends the transfer
}

size_t WriteHeader(char* data, size_t size, size_t count, void* user) noexcept {
  auto* const transfer = static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  std::string_view line(data, bytes);
  if (line.starts_with("HTTP/")) transfer->response.headers.clear();
  transfer->header_bytes += bytes;
  if (transfer->header_bytes > kMaxHeaderBytes) return 0;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bytes;
  std::string name(line.substr(0, colon));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  line.remove_prefix(colon + 1);
  const size_t begin = line.find_first_not_of(" \t");
  const size_t end = line.find_last_not_of(" \t\r\n");
  transfer->response.headers[std::move(name)] =
      begin == std::string_view::npos ? "" : line.substr(begin, end + 1 - begin);
  return bytes;
}

class CurlClient final : public HttpClient {
 public:
  CurlClient(const HttpClientOptions& options, std::string user_agent, const Clock* clock,
             const Logger* logger)
      : options_(options),
        origin_(OriginOf(options.url)),
        user_agent_(std::move(user_agent)),
        clock_(clock),
        logger_(logger) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi_ = curl_multi_init();
    for (const auto& [name, value] : options_.headers) AddText(value, &headers_[name]);
    if (options_.basic_auth) AddText(options_.basic_auth->password, &secret_);
    if (options_.authorization) AddText(options_.authorization->credentials, &secret_);
    if (options_.oauth2) AddText(options_.oauth2->client_secret, &secret_);
  }
  ~CurlClient() override {
    CancelAll();
    for (CURL* easy : idle_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
    curl_global_cleanup();
  }
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  void Start(HttpRequest request) override {
    auto transfer = std::make_unique<Transfer>();
    transfer->response.id = request.id;
    transfer->request = std::move(request);
    transfer->url = options_.url;
    transfer->begin_nanos = clock_->MonotonicNanos();
    StartWithCredentials(std::move(transfer));
  }

  std::vector<HttpResponse> Wait(int64_t timeout_nanos) override {
    const int64_t deadline = clock_->MonotonicNanos() + timeout_nanos;
    for (;;) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      FinishTransfers();
      const int64_t left = deadline - clock_->MonotonicNanos();
      if (!responses_.empty() || left <= 0 || woken_.exchange(false)) {
        return std::exchange(responses_, {});
      }
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(left / kNanosPerMilli + 1), nullptr);
    }
  }

  void CancelAll() override {
    for (auto& [easy, transfer] : transfers_) {
      curl_multi_remove_handle(multi_, easy);
      Release(transfer.get());
    }
    transfers_.clear();
    for (const auto& waiting : waiting_for_token_) Release(waiting.get());
    waiting_for_token_.clear();
    token_under_way_ = false;
    responses_.clear();
  }

  void Wake() override {
    woken_ = true;
    curl_multi_wakeup(multi_);
  }

 private:
  void AddText(const TextOrFile& source, std::optional<ConfiguredText>* text) {
    text->emplace(source, clock_, logger_);
  }

  // Asks for a token first where one is missing.
  void StartWithCredentials(std::unique_ptr<Transfer> transfer) {
    if (options_.oauth2 && !token_.IsValid(clock_->MonotonicNanos())) {
      waiting_for_token_.push_back(std::move(transfer));
      if (!token_under_way_) StartToken(token_in_body_);
      return;
    }
    Launch(std::move(transfer));
  }

  void StartToken(bool in_body) {
    auto transfer = std::make_unique<Transfer>();
    transfer->is_token = true;
    transfer->token_in_body = in_body;
    transfer->url = options_.oauth2->token_url;
    transfer->begin_nanos = clock_->MonotonicNanos();
    token_under_way_ = true;
    std::string error;
    const std::optional<std::string> secret = secret_->Get(&error);
    if (!secret) return FailToken(error);
    transfer->request.body = TokenRequest(*options_.oauth2, in_body ? &*secret : nullptr);
    Launch(std::move(transfer));
  }

  // Sets everything up and hands the transfer to libcurl.
  void Launch(std::unique_ptr<Transfer> transfer) {
    const std::string error = Prepare(transfer.get());
    if (!error.empty()) return Fail(std::move(transfer), error);
    CURL* const easy = transfer->easy;
    transfers_[easy] = std::move(transfer);
    curl_multi_add_handle(multi_, easy);
  }

  std::string Prepare(Transfer* transfer) {
    if (transfer->easy == nullptr) transfer->easy = TakeHandle();
    if (transfer->easy == nullptr) return "out of memory";
    CURL* const easy = transfer->easy;
    curl_easy_reset(easy);
    transfer->StartAnswer();
    // For the request as a whole: redirects, and waiting for a token, take their part.
    const int64_t passed_nanos = clock_->MonotonicNanos() - transfer->begin_nanos;
    const int64_t timeout_ms =
        std::max<int64_t>((options_.remote_timeout - passed_nanos) / kNanosPerMilli, 1);
    const int64_t connect_ms =
        std::min(timeout_ms, static_cast<int64_t>(kMaxConnectNanos / kNanosPerMilli));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // Whoever gives up a transfer does not wait for its name to be resolved, which may take longer
    // than anything else here.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_ms));
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, kMaxConnectionSeconds);
    // What the environment says about proxies does not count.
    curl_easy_setopt(easy, CURLOPT_PROXY, options_.proxy_url.c_str());
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent_.c_str());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, WriteBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, WriteHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request.content().data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(transfer->request.content().size()));
    transfer->headers.reset();
    AppendTo(&transfer->headers, "Expect:");  // no round trip more
    PrepareTls(transfer);
    std::string error = transfer->is_token ? PrepareToken(transfer) : PrepareWrite(transfer);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.get());
    return error;
  }

  void PrepareTls(Transfer* transfer) const {
    CURL* const easy = transfer->easy;
    const ClientTlsOptions& tls = options_.tls_config;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CurlTlsVersion(tls.min_version));
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);  // the file may have changed
    if (!tls.ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
      curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    }
    if (!tls.cert_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.cert_file.c_str());
      curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_file.c_str());
    }
    if (tls.insecure_skip_verify) {
      curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
      curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(easy, CURLOPT_URL, transfer->url.c_str());
    // The name goes into the URL, from which libcurl takes it for the handshake and the check; the
    // connection goes to the real host, and so does the header.
    if (tls.server_name.empty() || !IsForReceiver(*transfer)) return;
    if (PartOf(transfer->url, CURLUPART_SCHEME) != "https") return;
    const std::string host = PartOf(transfer->url, CURLUPART_HOST);
    const std::string port = PartOf(transfer->url, CURLUPART_PORT);
    transfer->connect_to.reset();
    AppendTo(&transfer->connect_to, tls.server_name + ":" + port + ":" + host + ":" + port);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer->connect_to.get());
    const std::string url = WithHost(transfer->url, tls.server_name);
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    AppendTo(&transfer->headers, "Host: " + host + (port == "443" ? "" : ":" + port));
  }

  // RFC 6749, section 2.3.1.
  std::string PrepareToken(Transfer* transfer) {
    AppendTo(&transfer->headers, "Content-Type: application/x-www-form-urlencoded");
    AppendTo(&transfer->headers, "Accept: application/json");
    if (transfer->token_in_body) return "";
    std::string error;
    const std::optional<std::string> secret = secret_->Get(&error);
    if (!secret) return error;
    SetBasicAuth(FormEncoded(options_.oauth2->client_id), FormEncoded(*secret), transfer);
    return "";
  }

  std::string PrepareWrite(Transfer* transfer) {
    for (const auto& [name, value] : transfer->request.headers) {
      AppendTo(&transfer->headers, name + ": " + value);
    }
    // Only the receiver that is configured gets what is configured for it.
    if (!IsForReceiver(*transfer)) return "";
    std::string error;
    for (auto& [name, text] : headers_) {
      const std::optional<std::string> value = text->Get(&error);
      if (!value) return error;
      // libcurl leaves a header out that ends with its colon.
      AppendTo(&transfer->headers, value->empty() ? name + ";" : name + ": " + *value);
    }
    if (options_.oauth2) {
      transfer->token = token_.token();
      AppendTo(&transfer->headers, "Authorization: Bearer " + transfer->token);
      return "";
    }
    if (!secret_) return "";
    const std::optional<std::string> secret = secret_->Get(&error);
    if (!secret) return error;
    if (options_.basic_auth) {
      SetBasicAuth(options_.basic_auth->username, *secret, transfer);
    } else {
      AppendTo(&transfer->headers,
               "Authorization: " + options_.authorization->type + " " + *secret);
    }
    return "";
  }

  // Whether the transfer goes to the receiver itself, and not to where it leads or for a token.
  bool IsForReceiver(const Transfer& transfer) const {
    return !transfer.is_token && OriginOf(transfer.url) == origin_;
  }

  static void SetBasicAuth(const std::string& user, const std::string& password,
                           const Transfer* transfer) {
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(transfer->easy, CURLOPT_USERNAME, user.c_str());
    curl_easy_setopt(transfer->easy, CURLOPT_PASSWORD, password.c_str());
  }

  void FinishTransfers() {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;  // before the handle is removed
      curl_multi_remove_handle(multi_, easy);
      const auto found = transfers_.find(easy);
      std::unique_ptr<Transfer> transfer = std::move(found->second);
      transfers_.erase(found);
      Finish(std::move(transfer), code);
    }
  }

  void Finish(std::unique_ptr<Transfer> transfer, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    // An answer that goes on for too long was ended by us; what it is about is known.
    const bool ended_by_us = code == CURLE_WRITE_ERROR && transfer->body_bytes > kMaxBodyBytes;
    if (code != CURLE_OK && !ended_by_us) {
      const std::string error =
          transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
      return Fail(std::move(transfer), error);
    }
    if (Redirect(transfer.get(), status)) return Launch(std::move(transfer));
    transfer->response.status = static_cast<int>(status);
    if (transfer->is_token) return FinishToken(std::move(transfer));
    if (status == kUnauthorized && options_.oauth2 && !transfer->had_new_token) {
      // Another request may have got a new one in the meantime.
      if (transfer->token == token_.token()) token_.Forget();
      transfer->had_new_token = true;
      transfer->url = options_.url;
      transfer->redirects = 0;
      return StartWithCredentials(std::move(transfer));
    }
    Answer(std::move(transfer));
  }

  // Whether the answer leads elsewhere, and the transfer with it. Redirects are followed here and
  // not by libcurl, so that credentials do not go along to other hosts.
  bool Redirect(Transfer* transfer, long status) const {
    const bool is_redirect = status == 301 || status == 302 || status == 307 || status == 308;
    if (!is_redirect || !options_.follow_redirects || transfer->is_token) return false;
    if (transfer->redirects >= kMaxRedirects) return false;
    char* url = nullptr;
    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
    if (url == nullptr) return false;
    std::string target = url;
    // With tls_config.server_name, that is the host which libcurl knows.
    const std::string& name = options_.tls_config.server_name;
    if (!name.empty() && IsForReceiver(*transfer) && PartOf(target, CURLUPART_HOST) == name) {
      target = WithHost(target, PartOf(transfer->url, CURLUPART_HOST));
    }
    transfer->url = std::move(target);
    ++transfer->redirects;
    return true;
  }

  void FinishToken(std::unique_ptr<Transfer> transfer) {
    const int status = transfer->response.status;
    const std::string body = std::move(transfer->response.body);
    const bool was_in_body = transfer->token_in_body;
    Release(transfer.get());
    if ((status == 400 || status == kUnauthorized) && !was_in_body) return StartToken(true);
    // What works is asked for first the next time.
    token_in_body_ = was_in_body && status == 200;
    if (status != 200) {
      return FailToken("the server answers with HTTP " + std::to_string(status));
    }
    const std::string error = token_.Read(body, clock_->MonotonicNanos());
    if (!error.empty()) return FailToken(error);
    token_under_way_ = false;
    for (auto& waiting : std::exchange(waiting_for_token_, {})) Launch(std::move(waiting));
  }

  void FailToken(const std::string& error) {
    token_under_way_ = false;
    for (auto& waiting : std::exchange(waiting_for_token_, {})) {
      Fail(std::move(waiting), "cannot get a token from oauth2.token_url: " + error);
    }
  }

  void Fail(std::unique_ptr<Transfer> transfer, const std::string& error) {
    if (transfer->is_token) {
      Release(transfer.get());
      return FailToken(error);
    }
    transfer->response.status = 0;
    transfer->response.error = error;
    Answer(std::move(transfer));
  }

  void Answer(std::unique_ptr<Transfer> transfer) {
    transfer->response.seconds =
        static_cast<double>(clock_->MonotonicNanos() - transfer->begin_nanos) / kNanosPerSecond;
    responses_.push_back(std::move(transfer->response));
    Release(transfer.get());
  }

  CURL* TakeHandle() {
    if (idle_.empty()) return curl_easy_init();
    CURL* const easy = idle_.back();
    idle_.pop_back();
    return easy;
  }

  void Release(Transfer* transfer) {
    if (transfer->easy == nullptr) return;
    if (idle_.size() < kMaxIdleHandles) {
      curl_easy_reset(transfer->easy);
      idle_.push_back(transfer->easy);
    } else {
      curl_easy_cleanup(transfer->easy);
    }
    transfer->easy = nullptr;
  }

  const HttpClientOptions options_;
  const std::string origin_;  // of options_.url
  const std::string user_agent_;
  const Clock* const clock_;
  const Logger* const logger_;
  CURLM* multi_ = nullptr;
  std::vector<CURL*> idle_;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers_;
  std::vector<HttpResponse> responses_;
  std::atomic<bool> woken_{false};

  std::map<std::string, std::optional<ConfiguredText>> headers_;
  // Password, credentials or client secret, whichever is configured.
  std::optional<ConfiguredText> secret_;
  OAuth2Token token_;
  bool token_under_way_ = false;
  bool token_in_body_ = false;
  std::vector<std::unique_ptr<Transfer>> waiting_for_token_;
};

}  // namespace

std::unique_ptr<HttpClient> NewCurlClient(const HttpClientOptions& options,
                                          const std::string& user_agent, const Clock* clock,
                                          const Logger* logger) {
  return std::make_unique<CurlClient>(options, user_agent, clock, logger);
}

}  // namespace spanmeter
