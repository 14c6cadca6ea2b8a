#include "convert/table.h"

#include <algorithm>
#include <array>

#include "spanmeter/convert.h"

namespace spanmeter {

namespace {

constexpr std::string_view kStoresTraces =
    "is about storing and querying traces, which spanmeter does not: leave it to Tempo";
constexpr std::string_view kNoRing =
    "is not needed: instances of spanmeter do not know of each other. Send all spans of a trace to "
    "the same one (load balancing by trace id)";
constexpr std::string_view kOnlyOtlp =
    "has no equivalent: spanmeter takes OTLP only. Let an OpenTelemetry Collector receive these "
    "and "
    "send OTLP";
constexpr std::string_view kForwarders =
    "is written otherwise: a [[forward]] for each, with endpoint, tls_config and filter_policies "
    "of "
    "its own, gets the spans of all tenants";
constexpr std::string_view kNoRate =
    "has no equivalent: otlp.grpc.max_in_flight bounds what is taken at a time, max_active_series "
    "what comes of it";
constexpr std::string_view kNotNeededWorkers =
    "is not needed: whatever thread received a request does the work";
constexpr std::string_view kNoLocalBlocks =
    "has no equivalent: it serves TraceQL queries. Leave them to Tempo";
constexpr std::string_view kNoAuthKind =
    "has no equivalent: use basic_auth, authorization or oauth2, or a proxy that signs requests";
constexpr std::string_view kTlsFiles =
    "has no equivalent: certificates and keys are files, and ciphers and further versions are "
    "those "
    "of the TLS library";
constexpr std::string_view kPortTuning = "has no equivalent: spanmeter chooses this by itself";
constexpr std::string_view kNoInternalGrpc =
    "is not needed: no other part of Tempo talks to spanmeter";

// clang-format off: one line an option where it fits.
constexpr std::array kConfig = std::to_array<TempoOption>({
    {"multitenancy_enabled", "tenancy.enabled", ConvertBool,
     "series then have the label `tenant` where `inject_tenant_id_as` names no other; "
     "`tenancy.max_tenants` bounds their number"},
    {"auth_enabled", "tenancy.enabled", ConvertBool, "the former name of `multitenancy_enabled`"},

    {"server.http_listen_port", "http.listen", ConvertHttpPort,
     "serves `/metrics` and the admin page, not Tempo's API; 9797 when not given"},
    {"server.http_listen_address", "http.listen", ConvertHttpAddress, "together with the port"},
    {"server.log_level", "log.level", ConvertString, ""},
    {"server.log_format", "log.format", ConvertString, ""},
    {"server.tls_min_version", "http.tls.min_version", ConvertGoTlsVersion, ""},
    {"server.http_tls_config.cert_file", "http.tls.cert_file", ConvertNonEmptyString, ""},
    {"server.http_tls_config.key_file", "http.tls.key_file", ConvertNonEmptyString, ""},
    {"server.http_tls_config.client_ca_file", "http.tls.client_ca_file", ConvertNonEmptyString,
     "set: clients must show a certificate"},
    {"server.http_tls_config.client_auth_type", "", nullptr,
     "is not needed: with client_ca_file clients must show a certificate, without they need none"},
    {"server.http_tls_config.*", "", nullptr, kTlsFiles},
    {"server.*", "", nullptr, "belongs to Tempo's own server: spanmeter has nothing to set there"},

    {"distributor.receivers.otlp.protocols.grpc.endpoint", "otlp.grpc.listen", ConvertEndpoint,
     "Tempo listens at localhost:4317 when not given, spanmeter at 0.0.0.0:4317"},
    {"distributor.receivers.otlp.protocols.grpc.max_recv_msg_size_mib",
     "otlp.grpc.max_message_size", ConvertMebibytes,
     "4 MiB for Tempo when not given, 16 MiB for spanmeter"},
    {"distributor.receivers.otlp.protocols.grpc.tls.cert_file", "otlp.grpc.tls.cert_file",
     ConvertNonEmptyString, ""},
    {"distributor.receivers.otlp.protocols.grpc.tls.key_file", "otlp.grpc.tls.key_file",
     ConvertNonEmptyString, ""},
    {"distributor.receivers.otlp.protocols.grpc.tls.client_ca_file", "otlp.grpc.tls.client_ca_file",
     ConvertNonEmptyString, "set: clients must show a certificate"},
    {"distributor.receivers.otlp.protocols.grpc.tls.*", "", nullptr, kTlsFiles},
    {"distributor.receivers.otlp.protocols.grpc.auth", "", nullptr,
     "has no equivalent: see otlp.grpc.tokens and otlp.grpc.tls.client_ca_file"},
    {"distributor.receivers.otlp.protocols.grpc.transport", "", nullptr,
     "has no equivalent: spanmeter listens on TCP"},
    {"distributor.receivers.otlp.protocols.grpc.*", "", nullptr, kPortTuning},
    {"distributor.receivers.otlp.protocols.http.endpoint", "otlp.http.listen", ConvertEndpoint,
     "Tempo listens at localhost:4318 when not given, spanmeter at 0.0.0.0:4318. Where Tempo has "
     "protocols without http, otlp.http.enabled becomes false"},
    {"distributor.receivers.otlp.protocols.http.max_request_body_size",
     "otlp.http.max_message_size", ConvertBytes,
     "20 MiB for Tempo when not given, 16 MiB for spanmeter"},
    {"distributor.receivers.otlp.protocols.http.tls.cert_file", "otlp.http.tls.cert_file",
     ConvertNonEmptyString, ""},
    {"distributor.receivers.otlp.protocols.http.tls.key_file", "otlp.http.tls.key_file",
     ConvertNonEmptyString, ""},
    {"distributor.receivers.otlp.protocols.http.tls.client_ca_file", "otlp.http.tls.client_ca_file",
     ConvertNonEmptyString, "set: clients must show a certificate"},
    {"distributor.receivers.otlp.protocols.http.tls.*", "", nullptr, kTlsFiles},
    {"distributor.receivers.otlp.protocols.http.cors.allowed_origins",
     "otlp.http.cors.allowed_origins", ConvertStringList, ""},
    {"distributor.receivers.otlp.protocols.http.cors.allowed_headers",
     "otlp.http.cors.allowed_headers", ConvertStringList, ""},
    {"distributor.receivers.otlp.protocols.http.cors.max_age", "otlp.http.cors.max_age",
     ConvertSeconds, "a number of seconds for Tempo"},
    {"distributor.receivers.otlp.protocols.http.traces_url_path", "", nullptr,
     "has no equivalent: spans come to /v1/traces"},
    {"distributor.receivers.otlp.protocols.http.auth", "", nullptr,
     "has no equivalent: see otlp.http.tokens and otlp.http.tls.client_ca_file"},
    {"distributor.receivers.otlp.protocols.http.*", "", nullptr, kPortTuning},
    {"distributor.receivers.*", "", nullptr, kOnlyOtlp},
    {"distributor.forwarders", "", nullptr, kForwarders},
    {"distributor.*", "", nullptr,
     "is about how Tempo hands traces on: spanmeter has nothing to set there"},

    {"metrics_generator.ring", "", nullptr, kNoRing},
    {"metrics_generator.ring_mode", "", nullptr, kNoRing},
    {"metrics_generator.override_ring_key", "", nullptr, kNoRing},
    {"metrics_generator.instance_id", "", nullptr, kNoRing},
    {"metrics_generator.limiter_type", "generator.limiter_type", ConvertNonEmptyString, ""},
    {"metrics_generator.metrics_ingestion_time_range_slack", "generator.ingestion_time_range_slack",
     ConvertPositiveDuration, "30s for Tempo when not given, 5m for spanmeter"},
    {"metrics_generator.query_timeout", "", nullptr, kNoLocalBlocks},
    {"metrics_generator.traces_storage", "", nullptr, kNoLocalBlocks},
    {"metrics_generator.traces_query_storage", "", nullptr, kNoLocalBlocks},
    {"metrics_generator.disable_local_blocks", "", nullptr, kNoLocalBlocks},
    {"metrics_generator.disable_grpc", "", nullptr,
     "is not needed: spans come over OTLP/gRPC always"},
    {"metrics_generator.codec", "", nullptr,
     "has no equivalent: spanmeter does not read from Kafka"},
    {"metrics_generator.ingest_concurrency", "", nullptr,
     "has no equivalent: spanmeter does not read from Kafka"},

    {"metrics_generator.processor.span_metrics.histogram_buckets",
     "generator.span_metrics.histogram_buckets", ConvertBuckets, ""},
    {"metrics_generator.processor.span_metrics.intrinsic_dimensions.service",
     "generator.span_metrics.intrinsic_dimensions.service", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.intrinsic_dimensions.span_name",
     "generator.span_metrics.intrinsic_dimensions.span_name", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.intrinsic_dimensions.span_kind",
     "generator.span_metrics.intrinsic_dimensions.span_kind", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.intrinsic_dimensions.status_code",
     "generator.span_metrics.intrinsic_dimensions.status_code", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.intrinsic_dimensions.status_message",
     "generator.span_metrics.intrinsic_dimensions.status_message", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.dimensions", "generator.span_metrics.dimensions",
     ConvertStringList, ""},
    {"metrics_generator.processor.span_metrics.dimension_mappings",
     "generator.span_metrics.dimension_mappings", ConvertDimensionMappings, ""},
    {"metrics_generator.processor.span_metrics.enable_target_info",
     "generator.span_metrics.enable_target_info", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.target_info_excluded_dimensions",
     "generator.span_metrics.target_info_excluded_dimensions", ConvertStringList, ""},
    {"metrics_generator.processor.span_metrics.enable_instance_label",
     "generator.span_metrics.enable_instance_label", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.span_multiplier_key",
     "generator.span_metrics.span_multiplier_key", ConvertString,
     "multipliers above `max_span_multiplier` are not believed"},
    {"metrics_generator.processor.span_metrics.enable_tracestate_span_multiplier",
     "generator.span_metrics.enable_tracestate_span_multiplier", ConvertBool, ""},
    {"metrics_generator.processor.span_metrics.filter_policies",
     "generator.span_metrics.filter_policies", ConvertFilterPolicies, ""},
    {"metrics_generator.processor.span_metrics.subprocessors", "", nullptr,
     "has no equivalent: name what is wanted in generator.processors, as span-metrics-count, "
     "span-metrics-latency and span-metrics-size"},

    {"metrics_generator.processor.service_graphs.wait", "generator.service_graphs.wait",
     ConvertDuration, ""},
    {"metrics_generator.processor.service_graphs.max_items", "generator.service_graphs.max_items",
     ConvertInteger,
     "10000 for Tempo when not given, 100000 for spanmeter; beyond it spanmeter lets the oldest "
     "go, Tempo refuses the newest"},
    {"metrics_generator.processor.service_graphs.workers", "", nullptr, kNotNeededWorkers},
    {"metrics_generator.processor.service_graphs.histogram_buckets",
     "generator.service_graphs.histogram_buckets", ConvertBuckets, ""},
    {"metrics_generator.processor.service_graphs.dimensions", "generator.service_graphs.dimensions",
     ConvertStringList, ""},
    {"metrics_generator.processor.service_graphs.enable_client_server_prefix",
     "generator.service_graphs.enable_client_server_prefix", ConvertBool, ""},
    {"metrics_generator.processor.service_graphs.enable_messaging_system_latency_histogram",
     "generator.service_graphs.enable_messaging_system_latency_histogram", ConvertBool, ""},
    {"metrics_generator.processor.service_graphs.enable_virtual_node_label",
     "generator.service_graphs.enable_virtual_node_label", ConvertBool, ""},
    {"metrics_generator.processor.service_graphs.peer_attributes",
     "generator.service_graphs.peer_attributes", ConvertStringList, ""},
    {"metrics_generator.processor.service_graphs.database_name_attributes",
     "generator.service_graphs.database_name_attributes", ConvertStringList, ""},
    {"metrics_generator.processor.service_graphs.span_multiplier_key",
     "generator.service_graphs.span_multiplier_key", ConvertString, "as for span metrics"},
    {"metrics_generator.processor.service_graphs.enable_tracestate_span_multiplier",
     "generator.service_graphs.enable_tracestate_span_multiplier", ConvertBool, ""},
    {"metrics_generator.processor.service_graphs.filter_policies",
     "generator.service_graphs.filter_policies", ConvertFilterPolicies, ""},

    {"metrics_generator.processor.host_info.host_identifiers",
     "generator.host_info.host_identifiers", ConvertStringList, ""},
    {"metrics_generator.processor.host_info.metric_name", "generator.host_info.metric_name",
     ConvertNonEmptyString, ""},
    {"metrics_generator.processor.host_info.*", "", nullptr,
     "has no equivalent: help and unit are fixed"},
    {"metrics_generator.processor.local_blocks", "", nullptr, kNoLocalBlocks},

    {"metrics_generator.registry.collection_interval", "generator.collection_interval",
     ConvertPositiveDuration, ""},
    {"metrics_generator.registry.stale_duration", "generator.stale_duration", ConvertDuration, ""},
    {"metrics_generator.registry.external_labels.*", "generator.external_labels.*", ConvertString,
     ""},
    {"metrics_generator.registry.inject_tenant_id_as", "generator.inject_tenant_id_as",
     ConvertLabelName, ""},
    {"metrics_generator.registry.max_label_name_length", "generator.max_label_name_length",
     ConvertInteger, ""},
    {"metrics_generator.registry.max_label_value_length", "generator.max_label_value_length",
     ConvertInteger, ""},

    {"metrics_generator.storage.path", "storage.path", ConvertNonEmptyString,
     "the directory of one process alone, which is not Tempo's while that goes on"},
    {"metrics_generator.storage.wal", "", nullptr,
     "has no equivalent: storage.max_size and storage.max_age bound what waits for a receiver"},
    {"metrics_generator.storage.remote_write_flush_deadline", "", nullptr,
     "is not needed: at a stop spanmeter sends for at most 10s, and what is left waits in "
     "storage.path for the next start"},
    {"metrics_generator.storage.remote_write_add_org_id_header", "remote_write.add_org_id_header",
     nullptr, "for every receiver"},
    {"metrics_generator.storage.remote_write", "remote_write", nullptr,
     "a table `[[remote_write]]` for each, see below"},

    {"overrides.defaults", "generator", nullptr,
     "see `overrides.defaults.metrics_generator` below. What overrides say wins over "
     "`metrics_generator.processor` and `.registry`"},
    {"overrides.per_tenant_override_config", "tenants", nullptr,
     "give the file as the second argument: each tenant in it becomes `[tenants.NAME]`, which "
     "inherits from `[generator]` key by key"},
    {"overrides.per_tenant_override_period", "", nullptr,
     "is not needed: SIGHUP makes spanmeter read its configuration anew"},
    {"overrides.user_configurable_overrides", "", nullptr,
     "has no equivalent: write what tenants have set there into [tenants.NAME]"},
    {"overrides.enable_legacy_overrides", "", nullptr, "is not needed: both forms are read"},

    {"stream_over_http_enabled", "", nullptr, kStoresTraces},
    {"http_api_prefix", "", nullptr, kStoresTraces},
    {"storage", "", nullptr, kStoresTraces},
    {"ingester", "", nullptr, kStoresTraces},
    {"ingester_client", "", nullptr, kStoresTraces},
    {"compactor", "", nullptr, kStoresTraces},
    {"querier", "", nullptr, kStoresTraces},
    {"query_frontend", "", nullptr, kStoresTraces},
    {"cache", "", nullptr, kStoresTraces},
    {"block_builder", "", nullptr, kStoresTraces},
    {"backend_scheduler", "", nullptr, kStoresTraces},
    {"backend_scheduler_client", "", nullptr, kStoresTraces},
    {"backend_worker", "", nullptr, kStoresTraces},
    {"live_store", "", nullptr, kStoresTraces},
    {"live_store_client", "", nullptr, kStoresTraces},
    {"ingest", "", nullptr,
     "has no equivalent: spanmeter does not read from Kafka. Send it the spans over OTLP/gRPC"},
    {"metrics_generator_client", "", nullptr, kNoInternalGrpc},
    {"internal_server", "", nullptr, kNoInternalGrpc},
    {"memberlist", "", nullptr, kNoRing},
    {"usage_report", "", nullptr, "is not needed: spanmeter reports to nobody"},
    {"target", "", nullptr, "is not needed: spanmeter is one program"},
    {"secrets", "", nullptr, "has no equivalent: spanmeter does not look for secrets in spans"},
});

constexpr std::array kOverrides = std::to_array<TempoOption>({
    {"processors", "processors", ConvertProcessors,
     "none for Tempo when not given, `[\"span-metrics\"]` for spanmeter; `local-blocks` has no "
     "equivalent"},
    {"ring_size", "", nullptr, kNoRing},
    {"max_active_series", "max_active_series", ConvertInteger, "per instance, as in Tempo"},
    {"max_active_entities", "max_active_entities", ConvertInteger, ""},
    {"max_cardinality_per_label", "max_cardinality_per_label", ConvertInteger,
     "exact, where Tempo estimates"},
    {"collection_interval", "collection_interval", ConvertPositiveDuration, ""},
    {"disable_collection", "disable_collection", ConvertBool, ""},
    {"generate_native_histograms", "generate_native_histograms", ConvertNonEmptyString, ""},
    {"native_histogram_bucket_factor", "native_histogram_bucket_factor", ConvertPositiveNumber, ""},
    {"native_histogram_max_bucket_number", "native_histogram_max_bucket_number", ConvertInteger,
     ""},
    {"native_histogram_min_reset_duration", "native_histogram_min_reset_duration", ConvertDuration,
     ""},
    {"trace_id_label_name", "trace_id_label_name", ConvertLabelName, ""},
    {"span_name_sanitization", "span_name_sanitization", ConvertString, ""},
    {"ingestion_time_range_slack", "ingestion_time_range_slack", ConvertPositiveDuration, ""},
    {"remote_write_headers", "remote_write.headers", nullptr,
     "for every receiver; has no equivalent for single tenants"},
    {"forwarder", "", nullptr, kNotNeededWorkers},
    {"processor.span_metrics.histogram_buckets", "span_metrics.histogram_buckets", ConvertBuckets,
     ""},
    {"processor.span_metrics.dimensions", "span_metrics.dimensions", ConvertStringList, ""},
    {"processor.span_metrics.intrinsic_dimensions.*", "span_metrics.intrinsic_dimensions.*",
     ConvertBool, ""},
    {"processor.span_metrics.filter_policies", "span_metrics.filter_policies",
     ConvertFilterPolicies, ""},
    {"processor.span_metrics.dimension_mappings", "span_metrics.dimension_mappings",
     ConvertDimensionMappings, ""},
    {"processor.span_metrics.enable_target_info", "span_metrics.enable_target_info", ConvertBool,
     ""},
    {"processor.span_metrics.target_info_excluded_dimensions",
     "span_metrics.target_info_excluded_dimensions", ConvertStringList, ""},
    {"processor.span_metrics.enable_instance_label", "span_metrics.enable_instance_label",
     ConvertBool, ""},
    {"processor.span_metrics.span_multiplier_key", "span_metrics.span_multiplier_key",
     ConvertString, ""},
    {"processor.span_metrics.enable_tracestate_span_multiplier",
     "span_metrics.enable_tracestate_span_multiplier", ConvertBool, ""},
    {"processor.service_graphs.histogram_buckets", "service_graphs.histogram_buckets",
     ConvertBuckets, ""},
    {"processor.service_graphs.dimensions", "service_graphs.dimensions", ConvertStringList, ""},
    {"processor.service_graphs.peer_attributes", "service_graphs.peer_attributes",
     ConvertStringList, ""},
    {"processor.service_graphs.filter_policies", "service_graphs.filter_policies",
     ConvertFilterPolicies, ""},
    {"processor.service_graphs.enable_client_server_prefix",
     "service_graphs.enable_client_server_prefix", ConvertBool, ""},
    {"processor.service_graphs.enable_messaging_system_latency_histogram",
     "service_graphs.enable_messaging_system_latency_histogram", ConvertBool, ""},
    {"processor.service_graphs.enable_virtual_node_label",
     "service_graphs.enable_virtual_node_label", ConvertBool, ""},
    {"processor.service_graphs.span_multiplier_key", "service_graphs.span_multiplier_key",
     ConvertString, ""},
    {"processor.service_graphs.enable_tracestate_span_multiplier",
     "service_graphs.enable_tracestate_span_multiplier", ConvertBool, ""},
    {"processor.host_info.host_identifiers", "host_info.host_identifiers", ConvertStringList, ""},
    {"processor.host_info.metric_name", "host_info.metric_name", ConvertNonEmptyString, ""},
    {"processor.local_blocks", "", nullptr, kNoLocalBlocks},
    {"processor.secret_detection", "", nullptr,
     "has no equivalent: spanmeter does not look for secrets in spans"},
});

// Both forms have these; in the flat one some names are beginnings.
constexpr std::array kOtherOverrides = std::to_array<TempoOption>({
    {"ingestion", "", nullptr, kNoRate},
    {"ingestion_rate_strategy", "", nullptr, kNoRate},
    {"ingestion_rate_limit_bytes", "", nullptr, kNoRate},
    {"ingestion_burst_size_bytes", "", nullptr, kNoRate},
    {"ingestion_tenant_shard_size", "", nullptr, kStoresTraces},
    {"ingestion_max_attribute_bytes", "", nullptr,
     "has no equivalent: generator.max_label_value_length bounds values of labels"},
    {"ingestion_artificial_delay", "", nullptr, kNoRate},
    {"ingestion_retry_info_enabled", "", nullptr,
     "is not needed: spanmeter always tells clients when to try again"},
    {"max_traces_per_user", "", nullptr, kStoresTraces},
    {"max_global_traces_per_user", "", nullptr, kStoresTraces},
    {"max_bytes_per_trace", "", nullptr, kStoresTraces},
    {"max_bytes_per_tag_values_query", "", nullptr, kStoresTraces},
    {"max_blocks_per_tag_values_query", "", nullptr, kStoresTraces},
    {"max_search_duration", "", nullptr, kStoresTraces},
    {"max_metrics_duration", "", nullptr, kStoresTraces},
    {"unsafe_query_hints", "", nullptr, kStoresTraces},
    {"block_retention", "", nullptr, kStoresTraces},
    {"compaction_window", "", nullptr, kStoresTraces},
    {"compaction_disabled", "", nullptr, kStoresTraces},
    {"parquet_dedicated_columns", "", nullptr, kStoresTraces},
    {"read", "", nullptr, kStoresTraces},
    {"compaction", "", nullptr, kStoresTraces},
    {"global", "", nullptr, kStoresTraces},
    {"storage", "", nullptr, kStoresTraces},
    {"forwarders", "", nullptr, kForwarders},
    {"cost_attribution", "", nullptr,
     "has no equivalent: dimensions and the label of inject_tenant_id_as tell who causes what"},
});

constexpr std::array kRemoteWrite = std::to_array<TempoOption>({
    {"url", "url", ConvertUrl, ""},
    {"name", "name", ConvertNonEmptyString, ""},
    {"remote_timeout", "remote_timeout", ConvertDuration, ""},
    {"headers.*", "headers.*", ConvertSecret, ""},
    {"write_relabel_configs", "write_relabel_configs", ConvertRelabelRules, ""},
    {"send_exemplars", "", nullptr,
     "is not needed: Tempo always sends them, and spanmeter does when not told otherwise "
     "(send_exemplars)"},
    {"send_native_histograms", "", nullptr,
     "is not needed: like Tempo, spanmeter sends them when generate_native_histograms makes any"},
    {"protobuf_message", "protobuf_message", ConvertNonEmptyString,
     "`prometheus.WriteRequest` for Tempo when not given, `auto` for spanmeter"},
    {"basic_auth.username", "basic_auth.username", ConvertString, ""},
    {"basic_auth.username_file", "", nullptr, "has no equivalent: write basic_auth.username"},
    {"basic_auth.password", "basic_auth.password", ConvertSecret, ""},
    {"basic_auth.password_file", "basic_auth.password_file", ConvertNonEmptyString, ""},
    {"authorization.type", "authorization.type", ConvertNonEmptyString, ""},
    {"authorization.credentials", "authorization.credentials", ConvertSecret, ""},
    {"authorization.credentials_file", "authorization.credentials_file", ConvertNonEmptyString, ""},
    {"bearer_token", "authorization.credentials", ConvertSecret, ""},
    {"bearer_token_file", "authorization.credentials_file", ConvertNonEmptyString, ""},
    {"oauth2.client_id", "oauth2.client_id", ConvertString, ""},
    {"oauth2.client_secret", "oauth2.client_secret", ConvertSecret, ""},
    {"oauth2.client_secret_file", "oauth2.client_secret_file", ConvertNonEmptyString, ""},
    {"oauth2.scopes", "oauth2.scopes", ConvertStringList, ""},
    {"oauth2.token_url", "oauth2.token_url", ConvertUrl, ""},
    {"oauth2.endpoint_params.*", "oauth2.endpoint_params.*", ConvertString, ""},
    {"oauth2.*", "", nullptr,
     "has no equivalent: the token is fetched with the receiver's TLS and proxy"},
    {"sigv4", "", nullptr, kNoAuthKind},
    {"azuread", "", nullptr, kNoAuthKind},
    {"google_iam", "", nullptr, kNoAuthKind},
    {"tls_config.ca_file", "tls_config.ca_file", ConvertNonEmptyString, ""},
    {"tls_config.cert_file", "tls_config.cert_file", ConvertNonEmptyString, ""},
    {"tls_config.key_file", "tls_config.key_file", ConvertNonEmptyString, ""},
    {"tls_config.server_name", "tls_config.server_name", ConvertNonEmptyString, ""},
    {"tls_config.insecure_skip_verify", "tls_config.insecure_skip_verify", ConvertBool, ""},
    {"tls_config.min_version", "tls_config.min_version", ConvertNonEmptyString, ""},
    {"tls_config.max_version", "", nullptr,
     "has no equivalent: the newest version that both sides know is used"},
    {"tls_config.*", "", nullptr, kTlsFiles},
    {"proxy_url", "proxy_url", ConvertUrl, ""},
    {"proxy_from_environment", "", nullptr, "has no equivalent: write proxy_url"},
    {"no_proxy", "", nullptr, "has no equivalent: proxy_url counts for its receiver alone"},
    {"proxy_connect_header", "", nullptr,
     "has no equivalent: put user and password into proxy_url"},
    {"follow_redirects", "follow_redirects", ConvertBool, ""},
    {"enable_http2", "", nullptr, "is not needed: what both sides know is used"},
    {"http_headers", "", nullptr, "has no equivalent: write them as headers, which may be files"},
    {"round_robin_dns", "", nullptr, "has no equivalent"},
    {"metadata_config.send", "metadata_config.send", ConvertBool, ""},
    {"metadata_config.send_interval", "metadata_config.send_interval", ConvertDuration, ""},
    {"metadata_config.max_samples_per_send", "metadata_config.max_samples_per_send", ConvertInteger,
     ""},
    {"queue_config.capacity", "", nullptr, "has no equivalent: storage.max_size bounds what waits"},
    {"queue_config.min_shards", "", nullptr,
     "is not needed: the number of requests at a time begins with one and follows the load"},
    {"queue_config.max_shards", "queue_config.max_shards", ConvertInteger, ""},
    {"queue_config.max_samples_per_send", "queue_config.max_samples_per_send", ConvertInteger, ""},
    {"queue_config.batch_send_deadline", "queue_config.batch_send_deadline", ConvertDuration, ""},
    {"queue_config.min_backoff", "queue_config.min_backoff", ConvertDuration, ""},
    {"queue_config.max_backoff", "queue_config.max_backoff", ConvertDuration, ""},
    {"queue_config.retry_on_http_429", "queue_config.retry_on_http_429", ConvertBool,
     "false for Tempo when not given, true for spanmeter"},
    {"queue_config.sample_age_limit", "queue_config.sample_age_limit", ConvertDuration, ""},
});
// clang-format on

// What a cell of a Markdown table cannot have.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell.push_back('\\');
    cell.push_back(c);
  }
  return cell;
}

void AppendRows(std::span<const TempoOption> options, const std::string& path_prefix,
                const std::string& target_prefix, std::string* text) {
  for (const TempoOption& option : options) {
    // Among what else is below [generator], one stands with the receivers.
    const bool is_of_receivers = option.target.starts_with("remote_write.");
    const std::string target = (is_of_receivers ? "" : target_prefix) + std::string(option.target);
    text->append("| `").append(path_prefix).append(option.path).append("` | ");
    text->append(option.target.empty() ? "none" : "`" + target + "`");
    text->append(" | ").append(Cell(option.remark));
    text->append(option.remark.empty() ? "|\n" : " |\n");
  }
}

}  // namespace

std::span<const TempoOption> ConfigOptions() { return kConfig; }
std::span<const TempoOption> OverridesOptions() { return kOverrides; }
std::span<const TempoOption> OtherOverridesOptions() { return kOtherOverrides; }
std::span<const TempoOption> RemoteWriteTableOptions() { return kRemoteWrite; }

const TempoOption* FindOption(std::span<const TempoOption> options, std::string_view path) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [path](const TempoOption& o) { return o.path == path; });
  return found == options.end() ? nullptr : &*found;
}

const TempoOption* FindOptionForAnyKey(std::span<const TempoOption> options,
                                       std::string_view parent) {
  return FindOption(options, std::string(parent) + ".*");
}

bool HasOptionsBelow(std::span<const TempoOption> options, std::string_view path) {
  return std::any_of(options.begin(), options.end(), [path](const TempoOption& option) {
    return option.path.size() > path.size() && option.path.starts_with(path) &&
           option.path[path.size()] == '.';
  });
}

std::string LegacyName(std::string_view overrides_path) {
  std::string name = "metrics_generator_";
  name.append(overrides_path);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string ConversionTable() {
  std::string text = "| Tempo | spanmeter | remarks |\n|---|---|---|\n";
  AppendRows(kConfig, "", "", &text);
  AppendRows(kOverrides, "overrides.defaults.metrics_generator.", "generator.", &text);
  AppendRows(kOtherOverrides, "overrides.defaults.", "", &text);
  AppendRows(kRemoteWrite, "metrics_generator.storage.remote_write.", "remote_write.", &text);
  return text;
}

}  // namespace spanmeter
