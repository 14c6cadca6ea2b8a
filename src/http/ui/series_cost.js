// What it would cost: the series that would be left with fewer labels, or that would come with one
// more.

import { h } from "./dom.js";
import * as format from "./format.js";
import { empty, section } from "./parts.js";
import { adjust } from "./route.js";
import { table } from "./table.js";
import { name } from "./text.js";

export const title = "What would it cost";

export async function load({ askTenant, query }) {
  try {
    return await askTenant(["cost"], { keep: query.get("keep"), add: query.get("add") });
  } catch (error) {
    if (error.status !== 400) throw error;
    return { mistake: error.message };
  }
}

export function view(data, context) {
  if (data.mistake !== undefined) {
    return empty(
      "This question is not understood",
      h("p", null, name(data.mistake, 400)),
      h("p", null, h("a", { href: context.link("series", "cost") }, "Start again")),
    );
  }
  if (data.labels.length === 0)
    return empty(
      "No span metrics are alive",
      h("p", null, "There is nothing to estimate from before spans come in."),
    );
  return [estimate(data, context), labels(data, context), addition(context)];
}

function estimate(data, context) {
  const change = data.current.series === 0 ? 0 : data.estimate.series / data.current.series - 1;
  const isChanged = context.query.has("keep") || context.query.has("add");
  const sign = change > 0 ? "+" : "−";
  return section(
    "estimate",
    "Estimate",
    data.computed_ms ? `as of ${format.timeOfDay(data.computed_ms)}` : null,
    h(
      "div",
      { class: "estimate", key: "figures" },
      figure("Now", data.current, null),
      h("span", { class: "to", "aria-hidden": "true" }, "→"),
      figure(
        "With this choice",
        data.estimate,
        isChanged && change !== 0 ? `${sign}${format.percent(Math.abs(change))}` : "no change",
      ),
      isChanged
        ? h(
            "button",
            { type: "button", on: { click: () => adjust({ keep: null, add: null }) } },
            "Start again",
          )
        : null,
    ),
    h(
      "p",
      { class: "hint", key: "hint" },
      "Span metrics only. What labels leave is counted from the live series; what a new one brings is an upper bound, as if it took each of its values everywhere.",
    ),
  );
}

function figure(label, counts, note) {
  return h(
    "div",
    { class: "figure" },
    h("div", { class: "tile-label" }, label),
    h(
      "div",
      { class: "tile-value" },
      `${format.exact(counts.series)} `,
      h("small", null, "series"),
    ),
    h(
      "div",
      { class: "quiet" },
      `${format.exact(counts.label_sets)} label sets`,
      note === null ? "" : `, ${note}`,
    ),
  );
}

function labels(data, context) {
  const asked = context.query.get("keep");
  const kept = new Set(asked === null ? data.labels.map((label) => label.name) : asked.split(","));
  const toggle = (label, isKept) => {
    if (isKept) kept.add(label);
    else kept.delete(label);
    const all = data.labels.map((item) => item.name).filter((item) => kept.has(item));
    adjust({ keep: all.length === data.labels.length ? null : all.join(",") });
  };
  return section(
    "cost-labels",
    "Labels to keep",
    null,
    table({
      id: "cost",
      label: "Labels to keep",
      rows: data.labels,
      keyOf: (row) => row.name,
      sort: { column: 1, descending: true },
      columns: [
        {
          title: "Label",
          of: (row) => row.name,
          show: (row) =>
            h(
              "label",
              { class: "check" },
              h("input", {
                type: "checkbox",
                checked: kept.has(row.name),
                on: { change: (event) => toggle(row.name, event.target.checked) },
              }),
              name(row.name),
            ),
        },
        {
          title: "Values",
          number: true,
          of: (row) => row.values,
          show: (row) => format.count(row.values),
        },
      ],
    }),
  );
}

function addition(context) {
  const [label = "", values = ""] = (context.query.get("add") ?? "").split(/:(?=\d+$)/);
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = form.get("label").trim();
    adjust({ add: text === "" ? null : `${text}:${form.get("values")}` });
  };
  return section(
    "cost-add",
    "A label to add",
    null,
    h(
      "form",
      { class: "add", key: "form", on: { submit } },
      h(
        "label",
        null,
        "Name ",
        h("input", {
          name: "label",
          type: "text",
          value: label,
          autocomplete: "off",
          spellcheck: "false",
        }),
      ),
      h(
        "label",
        null,
        "Values ",
        h("input", {
          name: "values",
          type: "number",
          min: "1",
          max: "1000000",
          required: true,
          value: values === "" ? "10" : values,
        }),
      ),
      h("button", { type: "submit" }, "Estimate"),
    ),
  );
}
