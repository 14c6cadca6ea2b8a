"""Cases that are not run yet, each with the reason.

The runner checks that spanmeter refuses the configuration of each of them: a case must leave this
list as soon as spanmeter understands its settings.
"""

_GRAPHS = "there is no service-graphs processor"
_HOST_INFO = "there is no host-info processor"
_NATIVE = "there are no native histograms"
_NAMES = "there is no span name sanitization"

SKIPPED = {
    "074-sg-one-request": _GRAPHS,
    "076-sg-server-then-client": _GRAPHS,
    "077-sg-same-span-ids-two-traces": _GRAPHS,
    "079-sg-failed": _GRAPHS,
    "080-sg-messaging": _GRAPHS,
    "082-sg-database": _GRAPHS,
    "083-sg-database-attributes": _GRAPHS,
    "085-sg-database-resource": _GRAPHS,
    "086-sg-database-empty-values": _GRAPHS,
    "088-sg-database-with-server-span": _GRAPHS,
    "089-sg-virtual-client": _GRAPHS,
    "091-sg-virtual-server": _GRAPHS,
    "092-sg-peer-attributes": _GRAPHS,
    "094-sg-virtual-node-label": _GRAPHS,
    "095-sg-overrides": _GRAPHS,
    "097-sg-dimensions": _GRAPHS,
    "098-sg-dimensions-prefix": _GRAPHS,
    "100-sg-dimension-named-server": _GRAPHS,
    "101-sg-service-name-missing": _GRAPHS,
    "103-sg-chain": _GRAPHS,
    "104-sg-self-edge": _GRAPHS,
    "106-sg-multiplier-tracestate": _GRAPHS,
    "107-sg-filter-dropped-counterpart": _GRAPHS,
    "109-sg-late": _GRAPHS,
    "110-sg-duplicates": _GRAPHS,
    "112-sg-sub-latency": _GRAPHS,
    "113-sg-sub-connection-info": _GRAPHS,
    "115-hi-identifiers": _HOST_INFO,
    "116-hi-custom": _HOST_INFO,
    "118-hi-old-spans": _HOST_INFO,
    "119-hi-invalid-utf8": _HOST_INFO,
    "122-reg-two-tenants": "there is no tenancy",
    "127-reg-max-active-series-service-graphs": _GRAPHS,
    "136-reg-per-label-limit": "there is no max_cardinality_per_label",
    "143-nat-native": _NATIVE,
    "145-nat-multiplier": _NATIVE,
    "146-nat-bucket-factor": _NATIVE,
    "150-drain-enabled": _NAMES,
    "151-drain-dry-run": _NAMES,
    "153-all-processors": _GRAPHS,
    "154-initial-zero": _HOST_INFO,
    "155-initial-zero-both": _GRAPHS,
}
