// Tenants & limits: what each uses of what it may, and where its options come from.

import { h } from "./dom.js";
import * as format from "./format.js";
import { empty, meter, section } from "./parts.js";
import { adjust, linkTo } from "./route.js";
import { more, table } from "./table.js";
import { name, plainName } from "./text.js";

export const title = "Tenants & limits";

export async function load({ ask, tenant, limit }) {
  const [list, options] = await Promise.all([
    ask(["tenants"], { limit }),
    tenant === null ? null : ask(["tenants", tenant, "options"]),
  ]);
  return { list, options };
}

export function view({ list, options }, context) {
  if (list.tenants.length === 0) {
    return empty(
      "No tenants yet",
      h(
        "p",
        null,
        context.tenancy
          ? "A tenant appears with the first spans that come with its name in the header X-Scope-OrgID."
          : "It appears with the first spans.",
      ),
    );
  }
  return [
    section(
      "tenants",
      "Use and limits",
      context.tenancy ? null : "tenancy is off: there is one",
      table({
        id: "tenants",
        label: "Tenants with their use and limits",
        rows: list.tenants,
        keyOf: (row) => row.name,
        sort: { column: 1, descending: true },
        describe: (row) => ({ class: row.name === context.tenant ? "chosen" : null }),
        columns: columnsFor(),
      }),
      more(list.tenants.length, context.limit, list.next !== null, (limit) => adjust({ limit })),
    ),
    discards(list.tenants.find((tenant) => tenant.name === context.tenant)),
    options === null ? null : optionsOf(options.options, context),
  ];
}

function columnsFor() {
  return [
    {
      title: "Tenant",
      of: (row) => row.name,
      show: (row) => [
        h("a", { href: linkTo("tenants", "", { tenant: row.name }) }, name(row.name, 40)),
        " ",
        h(
          "a",
          { class: "aside", href: linkTo("series", "metrics", { tenant: row.name }) },
          "series",
        ),
      ],
    },
    {
      title: "Active series",
      number: true,
      of: (row) => row.series.active,
      show: (row) => usage("series", "series", row, row.series),
    },
    {
      title: "Active entities",
      number: true,
      of: (row) => row.entities.active,
      show: (row) => usage("entities", "entity", row, row.entities),
    },
    {
      title: "Spans",
      number: true,
      of: (row) => row.spans_per_second,
      show: (row) => format.rate(row.spans_per_second),
    },
    {
      title: "Discarded",
      number: true,
      of: discardedOf,
      show: (row) => format.count(discardedOf(row)),
    },
    {
      title: "Limited updates",
      number: true,
      of: (row) => row.limited_updates,
      show: (row) => format.count(row.limited_updates),
    },
    {
      title: "Created",
      number: true,
      of: (row) => row.series_created,
      show: (row) => format.count(row.series_created),
    },
    {
      title: "Expired",
      number: true,
      of: (row) => row.series_expired,
      show: (row) => format.count(row.series_expired),
    },
    {
      title: "Values per label",
      number: true,
      of: (row) => row.label_limit,
      show: (row) => (row.label_limit === 0 ? "no limit" : format.count(row.label_limit)),
    },
  ];
}

function discardedOf(row) {
  return row.discarded.reduce((sum, entry) => sum + entry.spans, 0);
}

// The limit that the tenant's limiter goes by is marked; the other one does not count.
function usage(what, limiter, row, use) {
  const counts = row.limiter === limiter;
  return [
    format.count(use.active),
    counts ? meter(`Active ${what} of ${plainName(row.name, 40)} against the limit`, use) : null,
  ];
}

function discards(tenant) {
  if (tenant === undefined || tenant.discarded.length === 0) return null;
  return section(
    "tenant-discards",
    ["Discarded spans of ", name(tenant.name, 40)],
    null,
    table({
      id: "tenant discards",
      label: "Discarded spans of the tenant",
      rows: tenant.discarded,
      keyOf: (row) => `${row.processor} ${row.reason}`,
      sort: { column: 2, descending: true },
      columns: [
        { title: "Reason", of: (row) => row.reason, show: (row) => name(row.reason) },
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
      ],
    }),
  );
}

function sourceOf({ source }) {
  if (source === "tenant") return h("strong", null, "this tenant");
  return source === "generator" ? "[generator]" : h("span", { class: "quiet" }, name(source));
}

function optionsOf(options, context) {
  const onlySet = context.query.get("options") === "set";
  const shown = onlySet ? options.filter((option) => option.source !== "default") : options;
  return section(
    "options",
    ["Options of ", name(context.tenant, 40)],
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: onlySet,
        on: { change: (event) => adjust({ options: event.target.checked ? "set" : null }) },
      }),
      "only those that are set",
    ),
    shown.length === 0
      ? empty(
          "All options have their defaults",
          h(
            "p",
            null,
            "Set others under [generator] for all tenants, or under [tenants.NAME] for one.",
          ),
        )
      : table({
          id: "options",
          label: "Options in force",
          rows: shown,
          keyOf: (row) => row.key,
          columns: [
            {
              title: "Option",
              of: (row) => row.key,
              show: (row) => h("code", null, name(row.key)),
            },
            {
              title: "Value",
              of: (row) => row.value,
              show: (row) => h("code", null, name(row.value, 120)),
            },
            {
              title: "Comes from",
              of: (row) => row.source,
              show: sourceOf,
            },
          ],
        }),
  );
}
