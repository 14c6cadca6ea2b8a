// Series by matcher, with what they hold now.

import { h } from "./dom.js";
import * as format from "./format.js";
import { empty, section } from "./parts.js";
import { adjust } from "./route.js";
import { more, table } from "./table.js";
import { name } from "./text.js";

export const title = "Search";

export async function load({ askTenant, query, limit }) {
  const match = query.get("match") ?? "";
  if (match.trim() === "") return null;
  try {
    return await askTenant(["series"], { match, limit });
  } catch (error) {
    // A matcher that is not understood belongs beside its field.
    if (error.status !== 400) throw error;
    return { mistake: error.message };
  }
}

export function view(data, context) {
  const match = context.query.get("match") ?? "";
  const mistake = data?.mistake ?? null;
  const submit = (event) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get("match").trim();
    adjust({ match: text === "" ? null : text, limit: null });
  };
  return [
    h(
      "form",
      { class: "search", role: "search", key: "form", on: { submit } },
      h("label", { for: "match" }, "Series that match"),
      h(
        "div",
        { class: "line" },
        h("input", {
          id: "match",
          name: "match",
          type: "text",
          value: match,
          autocomplete: "off",
          spellcheck: "false",
          autocapitalize: "off",
          "aria-describedby": "match-help",
          "aria-invalid": mistake === null ? null : "true",
        }),
        h("button", { type: "submit" }, "Search"),
      ),
      h(
        "p",
        { class: mistake === null ? "hint" : "hint wrong", id: "match-help" },
        mistake !== null
          ? name(mistake, 400)
          : [
              "As in Prometheus: ",
              h("code", null, '{span_name=~"GET.*",status_code="STATUS_CODE_ERROR"}'),
              ". A metric's name may stand before it.",
            ],
      ),
    ),
    results(data, context),
  ];
}

function results(data, context) {
  if (data === null || data.mistake !== undefined) return null;
  if (data.series.length === 0) {
    return empty(
      "No series matches",
      h(
        "p",
        null,
        "Values must be equal in every character; try =~ with a regular expression, or begin from ",
        h("a", { href: context.link("series", "labels") }, "a label's values"),
        ".",
      ),
    );
  }
  const count = data.truncated
    ? `More than ${format.exact(data.matched)} series`
    : `${format.exact(data.matched)} series`;
  return section(
    "found",
    count,
    null,
    table({
      id: "found",
      label: "Series found",
      rows: data.series,
      keyOf: (row) => JSON.stringify([row.metric, Object.entries(row.labels)]),
      columns: [
        {
          title: "Series",
          of: (row) => row.metric,
          show: (row) => [name(row.metric), h("div", { class: "labels" }, labelsOf(row.labels))],
        },
        {
          title: "Value",
          number: true,
          of: (row) => row.value ?? row.count ?? null,
          show: valueOf,
        },
        {
          title: "Last update",
          number: true,
          of: (row) => row.last_update_ms,
          show: (row) => format.ago(row.last_update_ms),
        },
        {
          title: "Since",
          number: true,
          of: (row) => row.created_ms,
          show: (row) => format.ago(row.created_ms),
        },
      ],
    }),
    more(data.series.length, context.limit, data.matched > data.series.length, (limit) =>
      adjust({ limit }),
    ),
  );
}

function labelsOf(labels) {
  return Object.entries(labels).map(([label, value]) =>
    h(
      "span",
      { class: "label", key: label },
      h("span", { class: "label-name" }, name(label), "="),
      name(value),
    ),
  );
}

function valueOf(row) {
  if (row.buckets === undefined && row.count === undefined) return format.number(row.value);
  const mean = row.count > 0 ? row.sum / row.count : null;
  const seconds = row.metric.includes("size") ? format.number : format.duration;
  return [
    `${format.number(row.count)} `,
    h("div", { class: "hint" }, mean === null ? "" : `mean ${seconds(mean)}`),
    row.buckets === undefined || row.buckets.length === 0
      ? null
      : h(
          "details",
          { class: "buckets" },
          h("summary", null, `${row.buckets.length} buckets`),
          h(
            "table",
            null,
            h(
              "thead",
              null,
              h("tr", null, h("th", { scope: "col" }, "up to"), h("th", { scope: "col" }, "count")),
            ),
            h(
              "tbody",
              null,
              row.buckets.map((bucket) =>
                h(
                  "tr",
                  { key: bucket.le },
                  h("th", { scope: "row" }, String(bucket.le)),
                  h("td", null, format.number(bucket.count)),
                ),
              ),
            ),
          ),
        ),
  ];
}
