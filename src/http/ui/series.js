// Series: which metric, label, service or operation has how many. Each view is a part of the
// address.

import { h } from "./dom.js";
import * as format from "./format.js";
import { empty, section } from "./parts.js";
import { adjust } from "./route.js";
import * as cost from "./series_cost.js";
import * as folded from "./series_folded.js";
import * as search from "./series_search.js";
import { more, table } from "./table.js";
import { name } from "./text.js";

export const title = "Series";
export const needsTenant = true;

// A view has `title`, load(context) and view(data, context) like a page.
const views = new Map([
  [
    "metrics",
    { title: "By metric", load: ({ askTenant }) => askTenant(["metrics"]), view: metrics },
  ],
  ["labels", { title: "By label", load: loadLabels, view: labels }],
  ["top", { title: "By service", load: loadTop, view: top }],
  ["search", search],
  ["overflow", folded.overflow],
  ["names", folded.spanNames],
  ["cost", cost],
]);

const viewOf = ({ part }) => views.get(part) ?? views.get("metrics");

export async function load(context) {
  return { part: context.part, answer: await viewOf(context).load(context) };
}

export function view(data, context) {
  const current = viewOf(context);
  return [
    h(
      "nav",
      { class: "views", "aria-label": "Views of the series", key: "views" },
      [...views].map(([part, item]) =>
        h(
          "a",
          {
            href: context.link("series", part),
            key: part,
            "aria-current": item === current ? "page" : null,
          },
          item.title,
        ),
      ),
    ),
    h("div", { key: `view ${context.part}` }, current.view(data.answer, context)),
  ];
}

// When an answer was worked out; the server keeps costly ones for some seconds.
export function computed(data) {
  return data.computed_ms ? ["as of ", format.timeOfDay(data.computed_ms)] : null;
}

function metrics(data, context) {
  if (data.metrics.length === 0) return none();
  const all = data.metrics.reduce((sum, metric) => sum + metric.series, 0);
  return section(
    "metrics",
    `${format.exact(all)} series, ${format.exact(data.label_sets)} label sets`,
    computed(data),
    table({
      id: "metrics",
      label: "Series by metric",
      rows: data.metrics,
      keyOf: (row) => row.name,
      sort: { column: 3, descending: true },
      columns: [
        {
          title: "Metric",
          of: (row) => row.name,
          show: (row) => [
            h("a", { href: context.link("series", "search", { match: row.name }) }, name(row.name)),
            row.help ? h("div", { class: "hint" }, name(row.help, 200)) : null,
          ],
        },
        { title: "Type", of: (row) => row.type, show: (row) => name(row.type) },
        {
          title: "Label sets",
          number: true,
          of: (row) => row.label_sets,
          show: (row) => format.count(row.label_sets),
        },
        {
          title: "Series",
          number: true,
          of: (row) => row.series,
          show: (row) => format.count(row.series),
        },
        {
          title: "Share",
          number: true,
          of: (row) => row.series,
          show: (row) => format.percent(all === 0 ? 0 : row.series / all),
        },
      ],
    }),
  );
}

// What there is to say where no series are.
export function none() {
  return empty(
    "No series are alive",
    h(
      "p",
      null,
      "Series appear with the first spans and go when they were not updated for stale_duration.",
    ),
    h("p", null, h("a", { href: "#/overview" }, "The overview tells whether spans come in")),
  );
}

async function loadLabels({ askTenant, query, limit }) {
  const label = query.get("label");
  return label === null ? askTenant(["labels"]) : askTenant(["labels", label, "values"], { limit });
}

function labels(data, context) {
  if (context.query.get("label") !== null) return values(data, context);
  // The answer to the question before this one.
  if (data.labels === undefined) return h("p", { class: "quiet" }, "Asking…");
  if (data.labels.length === 0) return none();
  return section(
    "labels",
    "Labels by the number of their values",
    computed(data),
    table({
      id: "labels",
      label: "Labels by distinct values",
      rows: data.labels,
      keyOf: (row) => row.name,
      sort: { column: 1, descending: true },
      columns: [
        {
          title: "Label",
          of: (row) => row.name,
          show: (row) =>
            h("a", { href: context.link("series", "labels", { label: row.name }) }, name(row.name)),
        },
        {
          title: "Values",
          number: true,
          of: (row) => row.values,
          show: (row) => format.count(row.values),
        },
        {
          title: "Label sets",
          number: true,
          of: (row) => row.label_sets,
          show: (row) => format.count(row.label_sets),
        },
        {
          title: "Replaced values",
          number: true,
          of: (row) => row.limited,
          show: (row) => format.count(row.limited),
        },
        {
          title: "Label sets in overflow",
          number: true,
          of: (row) => row.overflow_label_sets,
          show: (row) => format.count(row.overflow_label_sets),
        },
      ],
    }),
  );
}

// A text as the value of a matcher.
export function quoted(text) {
  return `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

function values(data, context) {
  const label = context.query.get("label");
  const back = h(
    "p",
    { key: "back" },
    h("a", { href: context.link("series", "labels") }, "All labels"),
  );
  if (data.values === undefined) return [back, h("p", { class: "quiet" }, "Asking…")];
  if (data.values.length === 0) return [back, empty("No series has this label now")];
  return [
    back,
    section(
      "values",
      ["Values of ", name(label)],
      [`${format.exact(data.distinct)} in all, `, computed(data)],
      table({
        id: `values ${label}`,
        label: `Values of the label ${label}`,
        rows: data.values,
        keyOf: (row) => row.value,
        sort: { column: 2, descending: true },
        columns: [
          {
            title: "Value",
            of: (row) => row.value,
            show: (row) => [
              name(row.value),
              " ",
              h(
                "a",
                {
                  class: "aside",
                  href: context.link("series", "search", {
                    match: `{${label}=${quoted(row.value)}}`,
                  }),
                },
                "series",
              ),
            ],
          },
          {
            title: "Label sets",
            number: true,
            of: (row) => row.label_sets,
            show: (row) => format.count(row.label_sets),
          },
          {
            title: "Series",
            number: true,
            of: (row) => row.series,
            show: (row) => format.count(row.series),
          },
        ],
      }),
      more(data.values.length, context.limit, data.distinct > data.values.length, (limit) =>
        adjust({ limit }),
      ),
    ),
  ];
}

const topBy = ({ query }) => (query.get("by") === "operation" ? "operation" : "service");
const topOrder = ({ query }) => (query.get("order") === "churn" ? "churn" : "series");

async function loadTop(context) {
  return context.askTenant(["top"], {
    by: topBy(context),
    order: topOrder(context),
    limit: context.limit,
  });
}

function choice(legend, parameter, current, options) {
  return h(
    "fieldset",
    { class: "choice", key: parameter },
    h("legend", null, legend),
    options.map(([value, text]) =>
      h(
        "label",
        { key: value },
        h("input", {
          type: "radio",
          name: parameter,
          checked: value === current,
          on: { change: () => adjust({ [parameter]: value }) },
        }),
        text,
      ),
    ),
  );
}

function top(data, context) {
  const by = topBy(context);
  const order = topOrder(context);
  const choices = h(
    "div",
    { class: "choices", key: "choices" },
    choice("Show", "by", by, [
      ["service", "services"],
      ["operation", "operations"],
    ]),
    choice("Order by", "order", order, [
      ["series", "series now"],
      ["churn", "new in the last hour"],
    ]),
  );
  if (data.entries.length === 0) return [choices, none()];
  const operation = {
    title: "Operation",
    of: (row) => row.span_name ?? "",
    show: (row) => name(row.span_name ?? ""),
  };
  return [
    choices,
    section(
      "top",
      by === "operation" ? "Operations" : "Services",
      computed(data),
      table({
        id: `top ${by} ${order}`,
        label: "Series by who makes them",
        rows: data.entries,
        keyOf: (row) => JSON.stringify([row.service, row.span_name]),
        columns: [
          {
            title: "Service",
            of: (row) => row.service,
            show: (row) =>
              h(
                "a",
                { href: context.link("series", "search", { match: matcherFor(row, data.service_label) }) },
                name(row.service),
              ),
          },
          ...(by === "operation" ? [operation] : []),
          {
            title: "Label sets",
            number: true,
            of: (row) => row.label_sets,
            show: (row) => format.count(row.label_sets),
          },
          {
            title: "Series",
            number: true,
            of: (row) => row.series,
            show: (row) => format.count(row.series),
          },
          {
            title: "New in the last hour",
            number: true,
            of: (row) => row.born_last_hour,
            show: (row) => format.count(row.born_last_hour),
          },
        ],
      }),
      more(data.entries.length, context.limit, false, (limit) => adjust({ limit })),
    ),
  ];
}

function matcherFor(row, serviceLabel) {
  const service = `${serviceLabel}=${quoted(row.service)}`;
  return row.span_name === undefined
    ? `{${service}}`
    : `{${service},span_name=${quoted(row.span_name)}}`;
}
