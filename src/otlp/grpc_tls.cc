#include "otlp/grpc_tls.h"

#include <utility>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "spanmeter/mutex.h"
#include "spanmeter/server_tls.h"

namespace spanmeter {

namespace {

// Credentials of gRPC's C core, which asks for the certificates at each handshake. Those of the C++
// interface keep what they got, or can be left without any by files that are replaced one after the
// other.
class FollowingCredentials final : public grpc::ServerCredentials {
 public:
  FollowingCredentials(const ServerTlsOptions& options, const Clock* clock, const Logger* logger)
      : asks_for_certificates_(!options.client_ca_file.empty()),
        watch_(options, "otlp_grpc", clock, logger) {}
  ~FollowingCredentials() override {
    if (credentials_ != nullptr) grpc_server_credentials_release(credentials_);
  }

  bool Load(std::string* error) {
    const MutexLock lock(&mutex_);
    if (!watch_.Read(&files_, error)) return false;
    // Asks for them when the port is opened.
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            asks_for_certificates_ ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            &FollowingCredentials::Fetch, this));
    return true;
  }

  // What the senders of spans have to show besides a certificate is checked with each request.
  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // Called when the port is opened and before each handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<FollowingCredentials*>(self)->Give(config);
  }

  grpc_ssl_certificate_config_reload_status Give(grpc_ssl_server_certificate_config** config) {
    const MutexLock lock(&mutex_);
    ServerTlsFiles changed;
    if (watch_.ReadIfChanged(&changed)) {
      files_ = std::move(changed);
    } else if (is_taken_) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    is_taken_ = true;
    const grpc_ssl_pem_key_cert_pair pair = {files_.key_pem.c_str(), files_.cert_pem.c_str()};
    // gRPC insists on authorities also where no client is asked for a certificate.
    const std::string& authorities =
        asks_for_certificates_ ? files_.client_ca_pem : files_.cert_pem;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const bool asks_for_certificates_;
  ServerTlsWatch watch_;
  grpc_server_credentials* credentials_ = nullptr;
  Mutex mutex_;
  ServerTlsFiles files_ GUARDED_BY(mutex_);
  bool is_taken_ GUARDED_BY(mutex_) = false;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeGrpcTls(const ServerTlsOptions& options,
                                                     const Clock* clock, const Logger* logger,
                                                     std::string* error) {
  auto credentials = std::make_shared<FollowingCredentials>(options, clock, logger);
  if (!credentials->Load(error)) return nullptr;
  return credentials;
}

}  // namespace spanmeter
