// What the mock of the API says: numbers that move a little like those of a live server, and names
// as bad as they can be.

// Names that came with spans. Whoever takes one of them for markup, or for a number, shows it.
export const HOSTILE = [
  "<script>window.pwned=1</script>",
  "<img src=x onerror=window.pwned=2>",
  "\"'><svg/onload=window.pwned=3>",
  "javascript:window.pwned=4",
  "{{7*7}}${7*7}`#/`",
  "line one\nline two\r\tand a tab",
  "invoice\u202Efdp.exe",
  "\u2066isolated\u2069 \u200Bzero\u200Bwidth\uFEFF",
  "nul\u0000 and bell\u0007 and delete\u007f",
  "👩‍👩‍👧‍👦 🛒 ünïcödé ไทย עברית العربية",
  "Z̸̡̢͕a̵͖̾l̴̰͝g̷̱͠o̵̮͒",
  "__proto__",
  "constructor",
  "  spaces  around  ",
  "%2e%2e%2f?a=b&c=d#e",
  "",
  "long-" + "x".repeat(2043),
  "<b>".repeat(682),
];

const SHOP = [
  "frontend",
  "cart",
  "checkout",
  "payment",
  "shipping",
  "catalog",
  "search",
  "recommendation",
  "currency",
  "email",
  "ad",
  "quote",
  "accounting",
  "fraud-detection",
];

export function serviceNames(size, hostile) {
  const names = [];
  for (let i = 0; names.length < size; ++i) {
    if (hostile && i < HOSTILE.length) names.push(HOSTILE[i] === "" ? "\u00a0" : HOSTILE[i]);
    else
      names.push(
        i < SHOP.length ? SHOP[i] : `${SHOP[i % SHOP.length]}-${Math.floor(i / SHOP.length)}`,
      );
  }
  return names;
}

// The same numbers every time, and between -1 and 1.
function noise(seed) {
  const value = Math.sin(seed * 12.9898 + 78.233) * 43758.5453;
  return 2 * (value - Math.floor(value)) - 1;
}

export function history(now) {
  const points = 360;
  const wave = (base, swing, seed) =>
    Array.from(
      { length: points },
      (_, i) => base + swing * Math.sin(i / 40 + seed) + swing * 0.3 * noise(i + seed * 1000),
    );
  return {
    interval_seconds: 10,
    times_ms: Array.from({ length: points }, (_, i) => now - (points - 1 - i) * 10000),
    spans_per_second: wave(12400, 2600, 1),
    bytes_per_second: wave(5.1e6, 1e6, 1.1),
    active_series: Array.from({ length: points }, (_, i) =>
      Math.round(61000 + i * 98 + 300 * noise(i)),
    ),
    discarded_per_second: wave(14, 9, 3).map((value) => Math.max(0, value)),
    push_lag_seconds: wave(16, 4, 4).map((value, i) => (i < 20 ? null : Math.max(0, value))),
  };
}

const RECEIVERS = [
  { name: "mimir", url: "https://mimir.example.com/api/v1/push", healthy: true },
  { name: "old-prometheus", url: "http://prometheus.internal:9090/api/v1/write", healthy: false },
];

export function receivers(now, hostile) {
  return RECEIVERS.map((base, i) => ({
    ...base,
    protocol: i === 0 ? "2.0" : "1.0",
    shards: i === 0 ? 3 : 1,
    max_shards: 50,
    queue: {
      blocks: i === 0 ? 2 : 412,
      bytes: i === 0 ? 88123 : 48234112,
      memory_bytes: 65536 * (i + 1),
      age_seconds: i === 0 ? 4.2 : 1893,
    },
    samples: {
      collected: 48210342,
      sent: 48209112 - i * 900000,
      retried: i * 5120,
      failed: i * 2048,
      pending: 1230 + i * 871111,
    },
    histograms: { collected: 0, sent: 0, retried: 0, failed: 0, pending: 0 },
    exemplars: { collected: 91234, sent: 91200, retried: 0, failed: i * 12, pending: 34 },
    dropped:
      i === 0
        ? []
        : [
            { reason: "rejected", samples: 2048, histograms: 0, exemplars: 12 },
            { reason: "too_old", samples: 51200, histograms: 0, exemplars: 0 },
          ],
    bytes_sent: 812345678,
    lag_seconds: i === 0 ? 15.8 : 1893,
    last_error:
      i === 0
        ? ""
        : hostile
          ? `HTTP 503: ${HOSTILE[0]} ${HOSTILE[6]}`
          : "HTTP 503: upstream connect error or disconnect before headers",
    last_error_ms: i === 0 ? null : now - 8000,
    last_success_ms: i === 0 ? now - 2000 : now - 1893000,
  }));
}

export function serviceGraph(names, tick) {
  const kinds = [
    "service",
    "service",
    "service",
    "service",
    "service",
    "database",
    "service",
    "messaging",
    "service",
    "virtual",
  ];
  const nodes = names.map((id, i) => {
    const rate = (900 / (1 + i * 0.7)) * (1 + 0.05 * noise(i + tick));
    const errors = i % 7 === 3 ? 0.034 : i % 3 === 0 ? 0.0002 : 0;
    return {
      id,
      kind: i === 0 ? "service" : kinds[i % kinds.length],
      rate,
      error_ratio: errors,
      p95_seconds:
        i % 10 === 9 ? null : 0.004 * (1 + ((i * 37) % 90)) * (1 + 0.03 * noise(i * 3 + tick)),
      requests: Math.round(rate * 3600),
    };
  });
  const edges = [];
  for (let i = 1; i < nodes.length; ++i) {
    const callers = new Set([Math.floor((i - 1) / 3)]);
    if (i % 4 === 0 && i > 4) callers.add(Math.floor(i / 2) - 1);
    for (const caller of callers) {
      const type =
        { database: "database", messaging: "messaging_system", virtual: "virtual_node" }[
          nodes[i].kind
        ] ?? "";
      const { rate } = nodes[i];
      edges.push({
        client: nodes[caller].id,
        server: nodes[i].id,
        type,
        requests: Math.round(rate * 3600),
        rate,
        failed: Math.round(rate * 3600 * nodes[i].error_ratio),
        error_ratio: nodes[i].error_ratio,
        p95_client_seconds: (nodes[i].p95_seconds ?? 0.05) * 1.1,
        p95_server_seconds: nodes[i].p95_seconds,
      });
    }
  }
  return { nodes, edges, window_seconds: 60, truncated: false };
}

export const TOML = `# In force; secrets are masked.
[otlp.grpc]
listen = "0.0.0.0:4317"
max_message_size = "16MiB"

[http]
listen = "0.0.0.0:9797"

[generator]
processors = ["span-metrics", "service-graphs"]
max_active_series = 100000
max_cardinality_per_label = 1000
stale_duration = "15m"

[[remote_write]]
url = "https://mimir.example.com/api/v1/push"
authorization = {type = "Bearer", credentials = "<secret>"}
`;
