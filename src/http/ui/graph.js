// Service graph: who calls whom, drawn and as tables.

import { h } from "./dom.js";
import * as format from "./format.js";
import { GraphCanvas, outline } from "./graph_canvas.js";
import { code, empty, section } from "./parts.js";
import { adjust, redraw } from "./route.js";
import { table } from "./table.js";
import { name, plainName } from "./text.js";

export const title = "Service graph";
export const needsTenant = true;

// More than this many nodes would be a picture of nothing; the tables have all.
const DRAWN_NODES = 250;
const DEPTHS = [1, 2, 3];

let chosen = null; // id of a node
let services = []; // ids of all nodes of the tenant, for the filter
let servicesOf = null; // the tenant

const canvas = new GraphCanvas((id) => {
  chosen = id;
  redraw();
});

function depthOf({ query }) {
  const depth = Number(query.get("depth") ?? "1");
  return DEPTHS.includes(depth) ? depth : 1;
}

export async function load(context) {
  const service = context.query.get("service");
  const answer = await context.askTenant(
    ["service-graph"],
    service === null ? {} : { service, depth: depthOf(context) },
  );
  if (service === null || servicesOf !== context.tenant) {
    const all = service === null ? answer : await context.askTenant(["service-graph"]);
    services = all.nodes.map((node) => node.id).sort();
    servicesOf = context.tenant;
  }
  return answer;
}

export function view(data, context) {
  const service = context.query.get("service");
  if (data.nodes.length === 0) {
    return service === null
      ? noEdges()
      : [
          filter(context),
          empty(
            "No calls of this service",
            h(
              "p",
              null,
              "None was seen since its series began; ",
              h("a", { href: context.link("graph") }, "show all services"),
              ".",
            ),
          ),
        ];
  }
  if (chosen !== null && !data.nodes.some((node) => node.id === chosen)) chosen = null;
  const drawn = busiest(data);
  canvas.update(drawn, chosen);
  return [
    filter(context),
    picture(data, drawn),
    detail(data, context),
    nodes(data, context),
    edges(data),
  ];
}

function noEdges() {
  return empty(
    "No calls between services yet",
    h(
      "p",
      null,
      "The graph is made by the processor service-graphs from pairs of client and server spans. Switch it on, if it is not:",
    ),
    code(
      '[generator]\nprocessors = ["span-metrics", "service-graphs"]',
      "Setting for service graphs",
    ),
    h(
      "p",
      null,
      "An edge appears when both of its spans have come, or after generator.service_graphs.wait for services that send no spans.",
    ),
  );
}

// The nodes with the highest rates and what connects them.
function busiest(data) {
  if (data.nodes.length <= DRAWN_NODES) return data;
  const kept = [...data.nodes].sort((a, b) => b.rate - a.rate).slice(0, DRAWN_NODES);
  const ids = new Set(kept.map((node) => node.id));
  return {
    nodes: kept,
    edges: data.edges.filter((edge) => ids.has(edge.client) && ids.has(edge.server)),
  };
}

function filter(context) {
  const service = context.query.get("service");
  const submit = (event) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get("service");
    adjust({ service: text === "" ? null : text, depth: text === "" ? null : depthOf(context) });
  };
  const names = service === null || services.includes(service) ? services : [service, ...services];
  return h(
    "form",
    { class: "filter", key: "filter", on: { submit, change: submit } },
    h(
      "label",
      null,
      "Service ",
      h(
        "select",
        { name: "service", value: service ?? "" },
        h("option", { value: "", key: "" }, "all services"),
        names.map((id) => h("option", { value: id, key: id }, plainName(id, 60))),
      ),
    ),
    h(
      "label",
      null,
      "Neighbours ",
      h(
        "select",
        {
          name: "depth",
          value: String(depthOf(context)),
          disabled: service === null,
          on: {
            change: (event) => {
              event.stopPropagation();
              adjust({ depth: event.target.value });
            },
          },
        },
        DEPTHS.map((depth) =>
          h(
            "option",
            { value: String(depth), key: depth },
            depth === 1 ? "1 step" : `${depth} steps`,
          ),
        ),
      ),
    ),
  );
}

const KEYS = "Arrow keys move the picture, + and − change its size, 0 shows all of it.";

function picture(data, drawn) {
  const button = (text, label, action) =>
    h("button", { type: "button", key: label, "aria-label": label, on: { click: action } }, text);
  return h(
    "div",
    { class: "picture", key: "picture" },
    h(
      "div",
      { class: "picture-tools" },
      button("+", "Larger", () => canvas.zoom(1.3)),
      button("−", "Smaller", () => canvas.zoom(1 / 1.3)),
      button("Fit", "Fit all of it", () => canvas.fit()),
      h(
        "span",
        { class: "quiet" },
        drawn === data
          ? `${data.nodes.length} nodes, ${data.edges.length} edges`
          : `the ${DRAWN_NODES} busiest of ${data.nodes.length} nodes; choose a service to see its neighbours`,
        data.truncated ? "; there are more than the server tells" : "",
      ),
    ),
    h("div", {
      class: "graph",
      tabindex: "0",
      role: "group",
      key: "graph",
      "aria-label": "Picture of the service graph; the tables below say the same",
      "aria-describedby": "graph-keys",
      mount: (element) => canvas.mount(element),
    }),
    h("p", { class: "hint", id: "graph-keys" }, KEYS, " The wheel does after a click into it."),
    legend(),
  );
}

function legend() {
  const node = (kind, text) =>
    h(
      "li",
      { key: kind },
      h(
        "svg",
        { class: `legend-node node ${kind}`, viewBox: "-1 -1 36 22", "aria-hidden": "true" },
        outline(kind, 34, 20),
      ),
      text,
    );
  const edge = (type, text) =>
    h(
      "li",
      { key: `edge ${type}` },
      h(
        "svg",
        { class: "legend-edge", viewBox: "0 0 36 10", "aria-hidden": "true" },
        h("path", { class: `edge ${type}`, d: "M1 5H35", "stroke-width": "2" }),
      ),
      text,
    );
  return h(
    "ul",
    { class: "legend", "aria-label": "Legend" },
    node("service", "service"),
    node("database", "database"),
    node("messaging", "messaging"),
    node("virtual", "virtual: sends no spans itself"),
    edge("direct", "call"),
    edge("messaging_system", "message"),
    edge("database", "query"),
    edge("virtual_node", "seen from one side"),
    edge("direct failing", "more than 1 % errors"),
  );
}

function detail(data, context) {
  const node = data.nodes.find((item) => item.id === chosen);
  if (node === undefined) return null;
  const calls = data.edges.filter((edge) => edge.client === chosen).length;
  const callers = data.edges.filter((edge) => edge.server === chosen).length;
  return h(
    "div",
    { class: "detail", key: "detail", role: "group", "aria-label": "Chosen node" },
    h("strong", null, name(node.id, 60)),
    h("span", null, node.kind),
    h(
      "span",
      null,
      `${format.rate(node.rate)}, ${format.percent(node.error_ratio)} errors, p95 ${format.duration(node.p95_seconds)}`,
    ),
    h("span", null, `called by ${callers}, calls ${calls}`),
    h(
      "button",
      {
        type: "button",
        on: { click: () => adjust({ service: node.id, depth: depthOf(context) }) },
      },
      "Only its neighbours",
    ),
    h(
      "button",
      {
        type: "button",
        on: {
          click: () => {
            chosen = null;
            redraw();
          },
        },
      },
      "Done",
    ),
  );
}

function nodes(data, context) {
  const choose = (id) => {
    chosen = id;
    redraw();
    canvas.center(id);
  };
  return section(
    "nodes",
    "Services",
    `over the last ${format.age(data.window_seconds)}`,
    table({
      id: "nodes",
      label: "Services of the graph",
      rows: data.nodes,
      keyOf: (row) => row.id,
      sort: { column: 2, descending: true },
      describe: (row) => ({ class: row.id === chosen ? "chosen" : null }),
      columns: [
        {
          title: "Service",
          of: (row) => row.id,
          show: (row) =>
            h(
              "button",
              {
                type: "button",
                class: "plain",
                "aria-pressed": String(row.id === chosen),
                on: { click: () => choose(row.id) },
              },
              nameInButton(row.id),
            ),
        },
        { title: "Kind", of: (row) => row.kind },
        {
          title: "Rate",
          number: true,
          of: (row) => row.rate,
          show: (row) => format.rate(row.rate),
        },
        {
          title: "Errors",
          number: true,
          of: (row) => row.error_ratio,
          show: (row) => format.percent(row.error_ratio),
        },
        {
          title: "p95",
          number: true,
          of: (row) => row.p95_seconds,
          show: (row) => format.duration(row.p95_seconds),
        },
        {
          title: "Requests",
          number: true,
          of: (row) => row.requests,
          show: (row) => format.count(row.requests),
        },
        {
          title: "Whole name",
          fixed: true,
          of: () => "",
          show: (row) => (row.id.length > 100 ? name(row.id) : ""),
        },
      ].filter(
        (column) => column.title !== "Whole name" || data.nodes.some((row) => row.id.length > 100),
      ),
    }),
  );
}

// A button holds no details to open.
function nameInButton(id) {
  return id.length > 100 ? h("bdi", { class: "name" }, plainName(id, 80)) : name(id);
}

const TYPES = new Map([
  ["", "call"],
  ["messaging_system", "message"],
  ["database", "query"],
  ["virtual_node", "seen from one side"],
]);

function edges(data) {
  return section(
    "edges",
    "Calls",
    null,
    table({
      id: "edges",
      label: "Calls between services",
      rows: data.edges,
      keyOf: (row) => JSON.stringify([row.client, row.server, row.type]),
      sort: { column: 3, descending: true },
      columns: [
        { title: "From", of: (row) => row.client, show: (row) => name(row.client) },
        { title: "To", of: (row) => row.server, show: (row) => name(row.server) },
        {
          title: "Type",
          of: (row) => row.type,
          show: (row) => h("span", { class: "word" }, TYPES.get(row.type) ?? name(row.type)),
        },
        {
          title: "Rate",
          number: true,
          of: (row) => row.rate,
          show: (row) => format.rate(row.rate),
        },
        {
          title: "Errors",
          number: true,
          of: (row) => row.error_ratio,
          show: (row) => format.percent(row.error_ratio),
        },
        {
          title: "p95 client",
          number: true,
          of: (row) => row.p95_client_seconds,
          show: (row) => format.duration(row.p95_client_seconds),
        },
        {
          title: "p95 server",
          number: true,
          of: (row) => row.p95_server_seconds,
          show: (row) => format.duration(row.p95_server_seconds),
        },
        {
          title: "Requests",
          number: true,
          of: (row) => row.requests,
          show: (row) => format.count(row.requests),
        },
        {
          title: "Failed",
          number: true,
          of: (row) => row.failed,
          show: (row) => format.count(row.failed),
        },
      ],
    }),
  );
}
