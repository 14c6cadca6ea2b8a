// What was folded together: label sets beyond the limits, values beyond a label's limit, and span
// names that clustering takes for one.

import { h } from "./dom.js";
import * as format from "./format.js";
import { code, empty, section, state } from "./parts.js";
import { adjust } from "./route.js";
import { more, table } from "./table.js";
import { name } from "./text.js";

export const overflow = {
  title: "Overflow",
  load: ({ askTenant }) => askTenant(["overflow"]),
  view: viewOverflow,
};

export const spanNames = {
  title: "Span names",
  load: ({ askTenant, limit }) => askTenant(["span-names"], { limit }),
  view: viewSpanNames,
};

function viewOverflow(data, context) {
  return [
    section(
      "folded",
      "Series beyond the limit",
      null,
      h(
        "p",
        { key: "state" },
        data.series_overflow
          ? state("critical", "Label sets are being folded into overflow series")
          : state("ok", "No label set is in overflow"),
        " ",
      ),
      data.limited_updates > 0
        ? h(
            "p",
            { key: "text" },
            `${format.count(data.limited_updates)} updates of series that found no room went to the series with `,
            h("code", null, 'metric_overflow="true"'),
            ". Raise max_active_series or max_active_entities, or see ",
            h("a", { href: context.link("series", "cost") }, "what fewer labels would save"),
            ".",
          )
        : null,
      data.metrics.length === 0
        ? null
        : table({
            id: "overflow metrics",
            label: "Metrics with an overflow series",
            rows: data.metrics,
            keyOf: (row) => row.metric,
            columns: [
              { title: "Metric", of: (row) => row.metric, show: (row) => name(row.metric) },
              {
                title: "Folded into it",
                number: true,
                of: (row) => row.value ?? row.count,
                show: (row) => format.count(row.value ?? row.count),
              },
            ],
          }),
    ),
    section(
      "limited",
      "Values beyond a label's limit",
      null,
      data.labels.length === 0
        ? empty(
            "No label is limited",
            h(
              "p",
              null,
              "max_cardinality_per_label bounds the values of each label; the values beyond it become ",
              h("code", null, "__cardinality_overflow__"),
              ".",
            ),
          )
        : table({
            id: "overflow labels",
            label: "Labels and their limits",
            rows: data.labels,
            keyOf: (row) => row.name,
            sort: { column: 4, descending: true },
            columns: [
              {
                title: "Label",
                of: (row) => row.name,
                show: (row) =>
                  h(
                    "a",
                    { href: context.link("series", "labels", { label: row.name }) },
                    name(row.name),
                  ),
              },
              {
                title: "Limit",
                number: true,
                of: (row) => row.limit,
                show: (row) => format.count(row.limit),
              },
              {
                title: "Values",
                number: true,
                of: (row) => row.values,
                show: (row) => format.count(row.values),
              },
              {
                title: "Wanted, about",
                number: true,
                of: (row) => row.demand,
                show: (row) => format.count(row.demand),
              },
              {
                title: "Replaced",
                number: true,
                of: (row) => row.replaced,
                show: (row) => format.count(row.replaced),
              },
            ],
          }),
    ),
  ];
}

function viewSpanNames(data, context) {
  if (data.mode === "off") {
    return empty(
      "Span names are taken as they come",
      h(
        "p",
        null,
        "Names such as “GET /users/17” make series without end. Clustering finds the templates in them. See what it would do first:",
      ),
      code('[generator]\nspan_name_sanitization = "dry_run"', "Setting for a dry run"),
      h("p", null, "With “enabled” the templates take the place of the names."),
    );
  }
  const note =
    data.mode === "dry_run"
      ? 'A dry run: names are left as they are. With span_name_sanitization = "enabled" the templates would take their place.'
      : "The templates take the place of the names.";
  if (data.templates.length === 0)
    return empty(
      "No templates yet",
      h("p", null, note),
      h("p", null, "They appear when several names differ in data only."),
    );
  return section(
    "templates",
    "Templates of span names",
    null,
    h("p", { class: "hint", key: "note" }, note),
    table({
      id: "templates",
      label: "Templates of span names",
      rows: data.templates,
      keyOf: (row) => row.template,
      sort: { column: 1, descending: true },
      columns: [
        { title: "Template", of: (row) => row.template, show: (row) => name(row.template) },
        {
          title: "Names",
          number: true,
          of: (row) => row.count,
          show: (row) => format.count(row.count),
        },
        {
          title: "Examples",
          fixed: true,
          of: (row) => row.examples,
          show: (row) =>
            h(
              "ul",
              { class: "examples" },
              row.examples.map((example) => h("li", null, name(example))),
            ),
        },
      ],
    }),
    more(data.templates.length, context.limit, data.next !== null, (limit) => adjust({ limit })),
  );
}
