// Overview: what comes in, what is kept, what is not and why, and who fetches it.

import { h } from "./dom.js";
import * as format from "./format.js";
import { code, empty, meter, section, sparkline, state, tile } from "./parts.js";
import { linkTo } from "./route.js";
import { table } from "./table.js";
import { name } from "./text.js";

export const title = "Overview";

export async function load({ ask }) {
  return ask(["overview"]);
}

// What to do before there is anything to see.
export function noSpansYet() {
  const host = location.hostname.includes(":") ? `[${location.hostname}]` : location.hostname;
  return empty(
    "No spans yet",
    h(
      "p",
      null,
      "Send some by OTLP. Any OpenTelemetry SDK does, with these variables set; 4318 is the port of otlp.http.listen:",
    ),
    code(
      `export OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://${host}:4318/v1/traces`,
      "Variables for an OpenTelemetry SDK",
    ),
    h("p", null, "A collector takes this exporter, which sends over gRPC; list it in the pipeline of your traces:"),
    code(
      `exporters:\n  otlp/spanmeter:\n    endpoint: ${host}:4317\n    tls:\n      insecure: true`,
      "Exporter for an OpenTelemetry collector",
    ),
  );
}

export function view(data) {
  return [
    warnings(data.warnings),
    tiles(data),
    data.spans.received === 0 ? noSpansYet() : null,
    h("div", { class: "columns" }, discards(data), requests(data)),
    push(data),
    scrapes(data),
    section(
      "about",
      "This process",
      null,
      h(
        "p",
        { class: "about" },
        `Version ${data.version}, up for ${format.age((data.now_ms - data.start_time_ms) / 1000)}, started `,
        format.moment(data.start_time_ms),
        data.tenancy ? `, ${format.count(data.tenants)} tenants` : "",
        ".",
      ),
    ),
  ];
}

function warnings(list) {
  if (list.length === 0) return null;
  const order = [...list].sort(
    (a, b) => Number(b.severity === "critical") - Number(a.severity === "critical"),
  );
  return section(
    "warnings",
    "Needs attention",
    null,
    h(
      "ul",
      { class: "warnings" },
      order.map((warning) =>
        h(
          "li",
          { class: warning.severity, key: `${warning.tenant} ${warning.text}` },
          state(
            warning.severity === "critical" ? "critical" : "warning",
            warning.severity === "critical" ? "Critical" : "Warning",
          ),
          h(
            "span",
            { class: "warning-text" },
            name(warning.text, 400),
            warning.tenant
              ? [
                  " ",
                  h(
                    "a",
                    { href: linkTo("tenants", "", { tenant: warning.tenant }) },
                    "Tenant ",
                    name(warning.tenant, 40),
                  ),
                ]
              : null,
          ),
        ),
      ),
    ),
  );
}

function tiles(data) {
  const { history, spans } = data;
  const spark = (label, values, show) => sparkline(label, history.times_ms, values, show);
  const discarded = data.discarded.reduce((sum, entry) => sum + entry.per_second, 0);
  const discardedSpans = data.discarded.reduce((sum, entry) => sum + entry.spans, 0);
  const lags = data.remote_write
    .map((receiver) => receiver.lag_seconds)
    .filter((lag) => Number.isFinite(lag));
  return h(
    "div",
    { class: "tiles", key: "tiles" },
    tile(
      "Spans in",
      format.rate(spans.per_second),
      spark("Spans per second", history.spans_per_second, format.rate),
      h("div", { class: "quiet" }, `${format.count(spans.received)} since the start`),
    ),
    tile(
      "Bytes in",
      format.byteRate(spans.bytes_per_second),
      spark("Bytes per second", history.bytes_per_second, format.byteRate),
      h("div", { class: "quiet" }, `${format.bytes(spans.bytes)} since the start`),
    ),
    tile(
      "Discarded",
      format.rate(discarded),
      spark("Discarded spans per second", history.discarded_per_second, format.rate),
      h("div", { class: "quiet" }, `${format.count(discardedSpans)} since the start`),
    ),
    tile(
      "Active series",
      format.count(data.series.active),
      spark("Active series", history.active_series, format.count),
      meter("Active series against the limit", data.series),
    ),
    tile(
      "Active entities",
      format.count(data.entities.active),
      meter("Active entities against the limit", data.entities),
      h("div", { class: "quiet" }, "label sets, whatever the number of their series"),
    ),
    data.remote_write.length === 0
      ? null
      : tile(
          "Push lag",
          format.duration(lags.length > 0 ? Math.max(...lags) : null),
          spark("Lag of remote write", history.push_lag_seconds, format.duration),
          h("div", { class: "quiet" }, "of the slowest receiver"),
        ),
  );
}

const REASONS = new Map([
  [
    "outside_time_range",
    "ended too long ago or lies in the future: see ingestion_time_range_slack, and the sender's clock",
  ],
  ["invalid_id", "has no valid trace or span id: the sender is at fault"],
  ["filtered", "left out by filter_policies"],
  ["invalid_utf8", "a name or value is no valid UTF-8: the sender is at fault"],
  ["relabeled", "dropped by a rule of relabel"],
]);

function discards(data) {
  return section(
    "discards",
    "Discarded",
    null,
    data.discarded.length === 0
      ? empty("Nothing was discarded", h("p", null, "Every span that came was counted."))
      : table({
          id: "discards",
          label: "Discarded spans by reason",
          rows: data.discarded,
          keyOf: (row) => `${row.processor} ${row.reason}`,
          sort: { column: 2, descending: true },
          columns: [
            {
              title: "Reason",
              of: (row) => row.reason,
              show: (row) => [
                name(row.reason),
                REASONS.has(row.reason)
                  ? h("div", { class: "hint" }, REASONS.get(row.reason))
                  : null,
              ],
            },
            {
              title: "Processor",
              of: (row) => row.processor,
              show: (row) => name(row.processor || "all"),
            },
            {
              title: "Spans",
              number: true,
              of: (row) => row.spans,
              show: (row) => format.count(row.spans),
            },
            {
              title: "Rate",
              number: true,
              of: (row) => row.per_second,
              show: (row) => format.rate(row.per_second),
            },
          ],
        }),
  );
}

function requests(data) {
  const seen = data.requests.filter((row) => row.count > 0);
  return section(
    "requests",
    "OTLP answers",
    null,
    seen.length === 0
      ? empty("No requests yet", h("p", null, "They come to the ports of otlp.grpc.listen and otlp.http.listen."))
      : table({
          id: "requests",
          label: "Answers to OTLP requests by code",
          rows: seen,
          keyOf: (row) => row.code,
          sort: { column: 1, descending: true },
          columns: [
            { title: "Code", of: (row) => row.code, show: (row) => name(row.code) },
            {
              title: "Requests",
              number: true,
              of: (row) => row.count,
              show: (row) => format.count(row.count),
            },
            {
              title: "Rate",
              number: true,
              of: (row) => row.per_second,
              show: (row) => format.rate(row.per_second),
            },
          ],
        }),
  );
}

function push(data) {
  if (data.remote_write.length === 0) return null;
  return section(
    "push",
    "Remote write",
    h("a", { href: "#/remote-write" }, "Details"),
    table({
      id: "push",
      label: "Receivers of remote write",
      rows: data.remote_write,
      keyOf: (row) => row.name,
      columns: [
        {
          title: "Receiver",
          of: (row) => row.name,
          show: (row) => [name(row.name), h("div", { class: "hint" }, name(row.url))],
        },
        {
          title: "State",
          of: (row) => Number(row.healthy),
          show: (row) => (row.healthy ? state("ok", "healthy") : state("critical", "failing")),
        },
        {
          title: "Lag",
          number: true,
          of: (row) => row.lag_seconds,
          show: (row) => format.duration(row.lag_seconds),
        },
        {
          title: "Pending samples",
          number: true,
          of: (row) => row.pending_samples,
          show: (row) => format.count(row.pending_samples),
        },
        {
          title: "Queue",
          number: true,
          of: (row) => row.queue_bytes,
          show: (row) => format.bytes(row.queue_bytes),
        },
        {
          title: "Failed",
          number: true,
          of: (row) => row.failed_samples,
          show: (row) => format.count(row.failed_samples),
        },
        {
          title: "Dropped",
          number: true,
          of: (row) => row.dropped_samples,
          show: (row) => format.count(row.dropped_samples),
        },
        {
          title: "Last error",
          of: (row) => row.last_error,
          show: (row) => (row.last_error ? name(row.last_error) : "none"),
        },
      ],
    }),
  );
}

function scrapes(data) {
  return section(
    "scrapes",
    "Last scrapes",
    null,
    data.scrapes.length === 0
      ? empty(
          "Nobody scrapes yet",
          h("p", null, "Put this into prometheus.yml, or let remote write push the metrics:"),
          code(
            `scrape_configs:\n  - job_name: spanmeter\n    honor_labels: true\n    static_configs:\n      - targets: ['${location.host}']`,
            "Example of a Prometheus scrape configuration",
          ),
        )
      : table({
          id: "scrapes",
          label: "The last scrape of each path and peer",
          rows: data.scrapes,
          keyOf: (row) => `${row.peer} ${row.path}`,
          columns: [
            { title: "By", of: (row) => row.peer, show: (row) => name(row.peer) },
            { title: "Path", of: (row) => row.path, show: (row) => name(row.path) },
            {
              title: "When",
              number: true,
              of: (row) => row.time_ms,
              show: (row) => format.ago(row.time_ms),
            },
            {
              title: "Took",
              number: true,
              of: (row) => row.duration_seconds,
              show: (row) => format.duration(row.duration_seconds),
            },
            {
              title: "Size",
              number: true,
              of: (row) => row.bytes,
              show: (row) => format.bytes(row.bytes),
            },
            { title: "Format", of: (row) => row.format, show: (row) => name(row.format) },
          ],
        }),
  );
}
