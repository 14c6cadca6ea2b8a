// Serves the page from the source tree, and a made-up API behind it, so that every state can be
// looked at: `node mock_api.mjs [PORT]` for people, startMock() for tests.
//
// What the API says depends on `state`, which tests change while a page is open:
//   mode      "live", "empty" (no spans yet), "hostile", or a status that every question is answered
//             with (401, 403, 429, 500, 503)
//   tenants   how many tenants there are
//   nodes     how many nodes the service graph has
//   grown     whether the smaller metrics have become the larger ones
//   limits    whether limits are set (and nearly reached)

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HOSTILE, TOML, history, receivers, serviceGraph, serviceNames } from "./mock_data.mjs";

const UI = join(dirname(fileURLToPath(import.meta.url)), "../../src/http/ui");
const DAGRE = process.env.SPANMETER_DAGRE ?? "/usr/share/nodejs/dagre/dist/dagre.min.js";
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".txt": "text/plain",
};
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const LABELS = [
  ["span_name", 912],
  ["http_route", 211],
  ["service", 14],
  ["status_code", 3],
  ["span_kind", 5],
  ["region", 4],
];

class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function usage(state, index) {
  const limit = state.limits ? 100000 : 0;
  const active = [96212, 81034, 12034, 100000][index % 4] + Math.round(20 * Math.sin(state.tick));
  return {
    active: state.limits ? Math.min(active, limit) : active,
    limit,
    demand: index % 4 === 3 ? 143200 : active,
  };
}

function tenantNames(state) {
  const names = ["shop", "payments", "mobile", "partner-eu"];
  while (names.length < state.tenants) names.push(`team-${names.length}`);
  return names.slice(0, state.tenants);
}

function overview(state, now) {
  const isEmpty = state.mode === "empty";
  const hostile = state.mode === "hostile";
  const past = history(now);
  if (isEmpty) for (const key of Object.keys(past)) if (Array.isArray(past[key])) past[key] = [];
  return {
    version: "0.5.0",
    start_time_ms: now - 93784000,
    now_ms: now,
    tenancy: state.tenants !== 1,
    tenants: isEmpty ? 0 : state.tenants,
    series: isEmpty ? { active: 0, limit: 0, demand: 0 } : usage(state, 3),
    entities: isEmpty
      ? { active: 0, limit: 0, demand: 0 }
      : { active: 5064, limit: state.limits ? 6000 : 0, demand: 5064 },
    spans: isEmpty
      ? { received: 0, bytes: 0, per_second: 0, bytes_per_second: 0 }
      : {
          received: 1123456789 + state.tick * 60000,
          bytes: 4.6e11,
          per_second: 12400 + 300 * Math.sin(state.tick),
          bytes_per_second: 5.1e6,
        },
    discarded: isEmpty
      ? []
      : [
          { reason: "outside_time_range", processor: "", spans: 182345, per_second: 11.2 },
          { reason: "filtered", processor: "span-metrics", spans: 99123, per_second: 3.1 },
          {
            reason: hostile ? HOSTILE[0] : "invalid_utf8",
            processor: "service-graphs",
            spans: 12,
            per_second: 0,
          },
        ],
    requests: isEmpty
      ? []
      : [
          { code: "OK", count: 2193444, per_second: 24.2 },
          { code: "INVALID_ARGUMENT", count: 12, per_second: 0 },
        ],
    scrapes: isEmpty
      ? []
      : [
          {
            path: "/metrics",
            format: "openmetrics",
            time_ms: now - 4000,
            duration_seconds: 0.182,
            bytes: 12345678,
            peer: "10.0.3.17",
          },
          {
            path: "/metrics/generated",
            format: "text",
            time_ms: now - 31000,
            duration_seconds: 0.091,
            bytes: 11345678,
            peer: "2001:db8::17",
          },
        ],
    remote_write: isEmpty
      ? []
      : receivers(now, hostile).map((item) => ({
          name: item.name,
          url: item.url,
          healthy: item.healthy,
          lag_seconds: item.lag_seconds,
          pending_samples: item.samples.pending,
          queue_bytes: item.queue.bytes,
          failed_samples: item.samples.failed,
          dropped_samples: item.dropped.reduce((sum, entry) => sum + entry.samples, 0),
          last_error: item.last_error,
        })),
    warnings: isEmpty
      ? []
      : [
          {
            severity: "warning",
            text: "1.6 % of the spans were discarded for their time: see ingestion_time_range_slack, and the clocks of the senders",
            tenant: "",
          },
          {
            severity: "critical",
            text: hostile
              ? HOSTILE.join(" ")
              : "The limit of 100,000 active series is reached; about 143,200 are wanted: raise max_active_series, or drop labels",
            tenant: "shop",
          },
        ],
    history: past,
  };
}

function seriesOf(state, match, limit) {
  if (match.includes("("))
    throw new Failure(
      400,
      "cannot read the matcher: missing ) in the regular expression; close it or escape ( as \\(",
    );
  const hostile = state.mode === "hostile";
  const names = serviceNames(14, hostile);
  const total = match.includes("nothing") ? 0 : 180;
  const now = Date.now();
  return {
    matched: total,
    truncated: false,
    series: Array.from({ length: Math.min(limit, total) }, (_, i) => {
      const labels = {
        service: names[i % names.length],
        span_name: hostile ? HOSTILE[i % HOSTILE.length] : `GET /item/${i}`,
        span_kind: "SPAN_KIND_SERVER",
        status_code: "STATUS_CODE_UNSET",
      };
      const times = { created_ms: now - 3600000 - i * 1000, last_update_ms: now - (i % 30) * 1000 };
      if (i % 3 === 1)
        return {
          metric: "traces_spanmetrics_latency",
          type: "histogram",
          labels,
          count: 912 + i,
          sum: 44.1 + i,
          buckets: [
            { le: "0.1", count: 800 },
            { le: "1.6", count: 900 },
            { le: "+Inf", count: 912 + i },
          ],
          ...times,
        };
      return {
        metric: "traces_spanmetrics_calls_total",
        type: "counter",
        labels,
        value: 1234 + i * 17 + state.tick,
        ...times,
      };
    }),
  };
}

function tenantAnswer(state, tenant, what, parameters) {
  const isEmpty = state.mode === "empty";
  const hostile = state.mode === "hostile";
  if (!tenantNames(state).includes(tenant))
    throw new Failure(404, "no such tenant: /api/v1/tenants lists those there are");
  const limit = Number(parameters.get("limit") ?? 50);
  const computed_ms = Date.now() - 1200;
  const names = serviceNames(isEmpty ? 0 : 14, hostile);
  if (what[0] === "labels" && what.length === 3) {
    const all = hostile
      ? HOSTILE
      : Array.from(
          { length: LABELS.find(([label]) => label === what[1])?.[1] ?? 0 },
          (_, i) => `GET /item/${i}`,
        );
    return {
      values: all
        .slice(0, limit)
        .map((value, i) => ({ value, label_sets: 900 - i, series: (900 - i) * 19 })),
      distinct: all.length,
      computed_ms,
    };
  }
  switch (what.join("/")) {
    case "options":
      return {
        options: [
          { key: "max_active_series", value: "100000", source: "tenant" },
          { key: "processors", value: '["span-metrics", "service-graphs"]', source: "generator" },
          {
            key: "span_metrics.dimensions",
            value: hostile ? JSON.stringify(HOSTILE) : '["http.route", "region"]',
            source: "generator",
          },
          { key: "stale_duration", value: '"15m"', source: "default" },
          { key: "ingestion_time_range_slack", value: '"5m"', source: "default" },
        ],
      };
    case "metrics":
      return {
        computed_ms,
        label_sets: isEmpty ? 0 : 5064,
        metrics: isEmpty
          ? []
          : [
              {
                name: "traces_spanmetrics_latency",
                type: "histogram",
                help: "Duration of spans in seconds",
                label_sets: 5064,
                series: 81024 + state.tick,
              },
              {
                name: "traces_spanmetrics_calls_total",
                type: "counter",
                help: "Number of spans",
                label_sets: 5064,
                series: state.grown ? 200000 : 5064,
              },
              {
                name: "traces_spanmetrics_size_total",
                type: "counter",
                help: "Size of spans in bytes",
                label_sets: 5064,
                series: 5064,
              },
              {
                name: "traces_service_graph_request_total",
                type: "counter",
                help: "Requests between two services",
                label_sets: 32,
                series: 32,
              },
            ],
      };
    case "labels":
      return {
        computed_ms,
        labels: isEmpty
          ? []
          : LABELS.map(([name, values], i) => ({
              name,
              values,
              label_sets: 5064 - i * 100,
              limited: i === 0 ? 4123 : 0,
              overflow_label_sets: i === 0 ? 14 : 0,
            })),
      };
    case "top": {
      const operation = parameters.get("by") === "operation";
      return {
        computed_ms,
        service_label: "service",
        entries: names.slice(0, limit).map((service, i) => ({
          service,
          ...(operation
            ? { span_name: hostile ? HOSTILE[(i * 5) % HOSTILE.length] : `GET /item/${i}` }
            : {}),
          label_sets: 1200 - i * 80,
          series: (1200 - i * 80) * 19,
          born_last_hour: (i * 97) % 211,
        })),
      };
    }
    case "series":
      return seriesOf(state, parameters.get("match") ?? "", limit);
    case "overflow":
      return {
        series_overflow: state.limits && !isEmpty,
        limited_updates: state.limits && !isEmpty ? 812344 : 0,
        metrics:
          state.limits && !isEmpty
            ? [
                { metric: "traces_spanmetrics_calls_total", value: 40112 },
                { metric: "traces_spanmetrics_latency", count: 40112 },
              ]
            : [],
        labels:
          state.limits && !isEmpty
            ? [{ name: "span_name", limit: 1000, values: 1000, demand: 5123, replaced: 4123 }]
            : [],
      };
    case "span-names":
      return isEmpty
        ? { mode: "off", templates: [], next: null }
        : {
            mode: "dry_run",
            next: null,
            templates: [
              {
                template: hostile ? `${HOSTILE[0]} <_>` : "GET /users/<_>",
                count: 412,
                examples: hostile ? HOSTILE : ["GET /users/17", "GET /users/18", "GET /users/ada"],
              },
              {
                template: "process order <_>",
                count: 97,
                examples: ["process order 8812", "process order 8813"],
              },
            ],
          };
    case "cost": {
      const keep = parameters.get("keep");
      const kept = keep === null ? LABELS.map(([label]) => label) : keep.split(",");
      if (parameters.get("add")?.startsWith("9"))
        throw new Failure(
          400,
          "cannot read add: it must be NAME:VALUES, and a label's name does not begin with a digit",
        );
      const share = LABELS.filter(([label]) => kept.includes(label)).length / LABELS.length;
      const more = Number((parameters.get("add") ?? "x:1").split(":")[1]);
      return isEmpty
        ? {
            current: { label_sets: 0, series: 0 },
            estimate: { label_sets: 0, series: 0 },
            labels: [],
            computed_ms,
          }
        : {
            current: { label_sets: 5064, series: 96216 },
            computed_ms,
            estimate: {
              label_sets: Math.ceil(5064 * share ** 3 * more),
              series: Math.ceil(96216 * share ** 3 * more),
            },
            labels: LABELS.map(([label, values]) => ({
              name: label,
              kept: kept.includes(label),
              values,
            })),
          };
    }
    case "service-graph": {
      const graph = serviceGraph(serviceNames(isEmpty ? 0 : state.nodes, hostile), state.tick);
      const service = parameters.get("service");
      if (service === null) return graph;
      const near = new Set([service]);
      for (let i = 0; i < Number(parameters.get("depth") ?? 1); ++i) {
        const found = graph.edges.filter((edge) => near.has(edge.client) || near.has(edge.server));
        for (const edge of found) near.add(edge.client).add(edge.server);
      }
      return {
        ...graph,
        nodes: graph.nodes.filter((node) => near.has(node.id)),
        edges: graph.edges.filter((edge) => near.has(edge.client) && near.has(edge.server)),
      };
    }
    default:
      throw new Failure(404, "no such question: /api/v1/openapi.json lists those there are");
  }
}

function tenantList(state) {
  const hostile = state.mode === "hostile";
  const tenants =
    state.mode === "empty"
      ? []
      : tenantNames(state).map((name, i) => ({
          name,
          series: usage(state, i),
          entities: { active: 5064 - i * 900, limit: 0, demand: 5064 },
          limiter: "series",
          spans: 1e8 / (i + 1),
          spans_per_second: 6200 / (i + 1),
          discarded:
            i === 0
              ? [
                  {
                    reason: hostile ? HOSTILE[1] : "outside_time_range",
                    processor: "",
                    spans: 182345,
                  },
                ]
              : [],
          limited_updates: i === 3 ? 812344 : 0,
          series_created: 212345,
          series_expired: 98765,
          label_limit: i === 0 ? 1000 : 0,
        }));
  return { tenants, next: null };
}

function answer(state, path, parameters) {
  if (typeof state.mode === "number") throw new Failure(state.mode, "the mock was told to say so");
  const parts = path.split("/").map(decodeURIComponent);
  const now = Date.now();
  state.tick += 0.1;
  switch (parts[0]) {
    case "overview":
      return overview(state, now);
    case "tenants":
      return parts.length === 1
        ? tenantList(state)
        : tenantAnswer(state, parts[1], parts.slice(2), parameters);
    case "remote-write":
      return {
        receivers: state.mode === "empty" ? [] : receivers(now, state.mode === "hostile"),
        storage: {
          path: "/var/lib/spanmeter",
          up: true,
          error: "",
          file_bytes: 50331648,
          unclaimed_bytes: 0,
          files_set_aside: 0,
        },
      };
    case "config":
      return {
        file: "/etc/spanmeter.toml",
        toml: state.mode === "hostile" ? `${TOML}# ${HOSTILE.join("\n# ")}\n` : TOML,
        last_reload:
          state.mode === "empty"
            ? { time_ms: 0, success: true, problem: "" }
            : {
                time_ms: now - 4000000,
                success: false,
                problem: 'line 12: max_active_series must be an integer, not "many"',
              },
        restart_needed_for: state.mode === "empty" ? [] : ["http.listen"],
      };
    case "openapi.json":
      return { openapi: "3.0.3" };
    default:
      throw new Failure(404, "no such question: /api/v1/openapi.json lists those there are");
  }
}

function serveFile(name, response) {
  const isFile = /^[a-z_-]+\.(js|css|txt)$/.test(name) || name === "dagre.min.js";
  if (name !== "" && !isFile) throw new Failure(404, "not found");
  const file =
    name === "" ? join(UI, "index.html") : name === "dagre.min.js" ? DAGRE : join(UI, name);
  const content = readFileSync(file);
  response.setHeader("Content-Type", `${TYPES[extname(file)]}; charset=utf-8`);
  response.end(content);
}

// Serves on a port of 127.0.0.1. Returns {url, state, close()}.
export async function startMock(port = 0) {
  const state = { mode: "live", tenants: 4, nodes: 24, limits: true, tick: 0, requests: 0 };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://mock");
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Cache-Control", "no-store");
    try {
      if (url.pathname.startsWith("/api/v1/")) {
        state.requests += 1;
        const body = JSON.stringify(answer(state, url.pathname.slice(8), url.searchParams));
        response.setHeader("Content-Type", "application/json");
        response.end(body);
      } else {
        serveFile(url.pathname.slice(1), response);
      }
    } catch (error) {
      response.statusCode = error.status ?? (error.code === "ENOENT" ? 404 : 500);
      response.setHeader("Content-Type", "application/json");
      response.end(
        JSON.stringify({ error: { status: response.statusCode, message: error.message } }),
      );
    }
  });
  await new Promise((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    state,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock(Number(process.argv[2] ?? 0));
  console.log(mock.url);
}
