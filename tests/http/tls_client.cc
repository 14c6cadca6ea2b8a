#include "http/tls_client.h"

#include <cstdlib>
#include <unistd.h>

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace spanmeter {

TlsConnection::TlsConnection(const std::string& address, const TlsClientOptions& options)
    : context_(SSL_CTX_new(TLS_client_method())) {
  // Old protocols are to be refused by the server, not by this library.
  SSL_CTX_set_security_level(context_, 0);
  SSL_CTX_set_min_proto_version(context_, 0);
  SSL_CTX_set_max_proto_version(context_, options.max_version);
  BIO* const bio = BIO_new_mem_buf(options.authority_pem.data(), -1);
  if (X509* const authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), authority);
    X509_free(authority);
  }
  BIO_free(bio);
  if (options.own != nullptr) {
    SSL_CTX_use_certificate(context_, options.own->certificate.get());
    SSL_CTX_use_PrivateKey(context_, options.own->key.get());
  }
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);

  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + address.rfind(':') + 1)));
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval at_most = {20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &at_most, sizeof at_most);
  ssl_ = SSL_new(context_);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
  SSL_set_fd(ssl_, fd_);
  connected_ = SSL_connect(ssl_) == 1;
  ERR_clear_error();
}

TlsConnection::~TlsConnection() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  close(fd_);
}

std::string TlsConnection::serial() const {
  X509* const certificate = SSL_get_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  BIGNUM* const number = ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), nullptr);
  char* const text = BN_bn2hex(number);
  std::string serial = text;
  OPENSSL_free(text);
  BN_free(number);
  X509_free(certificate);
  return serial;
}

bool TlsConnection::Send(std::string_view bytes) {
  return connected_ && SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) ==
                           static_cast<int>(bytes.size());
}

std::string TlsConnection::ReceiveUntil(std::string_view end) {
  std::string received;
  while (received.find(end) == std::string::npos) {
    char bytes[4096];
    const int size = SSL_read(ssl_, bytes, sizeof bytes);
    if (size <= 0) break;
    received.append(bytes, static_cast<size_t>(size));
  }
  ERR_clear_error();
  return received;
}

std::string FetchHealth(const std::string& address, const TlsClientOptions& options) {
  TlsConnection connection(address, options);
  if (!connection.Send("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")) return "";
  return connection.ReceiveUntil("\r\n\r\nhealthy\n");
}

}  // namespace spanmeter
