// Tables that can be sorted, and that keep their order while somebody looks: an update changes the
// numbers in their places, new rows come last, and "Sort again" appears when the order is no longer
// what the numbers say.

import { h } from "./dom.js";
import { redraw } from "./route.js";

const states = new Map(); // id of a table -> {column, descending, order, again}

// Forgets the orders: whoever comes back sees everything sorted.
export function forgetOrders() {
  for (const state of states.values()) state.order = null;
}

function compare(left, right) {
  if (left === right) return 0;
  // What is unknown comes last, whichever way.
  if (left === null || left === undefined) return 1;
  if (right === null || right === undefined) return -1;
  if (typeof left === "number" && typeof right === "number") return left - right;
  const a = String(left);
  const b = String(right);
  return a < b ? -1 : Number(a > b);
}

function sorted(rows, column, descending) {
  if (column === undefined) return rows;
  return [...rows].sort((left, right) => {
    const a = column.of(left.row);
    const b = column.of(right.row);
    const unknown = (value) => value === null || value === undefined;
    if (unknown(a) || unknown(b) || !descending) return compare(a, b);
    return compare(b, a);
  });
}

// The rows in the order that was there before, with new ones at the end.
function kept(rows, order) {
  const place = new Map(order.map((key, index) => [key, index]));
  return rows
    .map((item, index) => [place.get(item.key) ?? order.length + index, item])
    .sort((left, right) => left[0] - right[0])
    .map(([, item]) => item);
}

// A table.
//   id        tells this table from others, also after a while
//   label     says what it is, for those who do not see what stands above it
//   columns   {title, of: row -> value to sort by, show: row -> content (else the value), number:
//             whether it is one, fixed: cannot be sorted by}
//   rows, keyOf: row -> what it is recognised by
//   sort      {column: index, descending}, at first; without it the order of the rows counts
//   describe  row -> further props of the table row
export function table({ id, label, columns, rows, keyOf, sort, describe }) {
  let state = states.get(id);
  if (state === undefined) {
    state = { column: sort?.column, descending: sort?.descending ?? false, order: null };
    states.set(id, state);
  }
  const items = rows.map((row) => ({ row, key: keyOf(row) }));
  const ideal = sorted(items, columns[state.column], state.descending);
  const shown = state.order === null ? ideal : kept(items, state.order);
  state.order = shown.map((item) => item.key);
  const isStale =
    state.column !== undefined &&
    shown.some((item, index) => {
      const { of } = columns[state.column];
      return compare(of(item.row), of(ideal[index].row)) !== 0;
    });

  const sortBy = (index) => {
    const isSame = state.column === index;
    state.descending = isSame ? !state.descending : Boolean(columns[index].number);
    state.column = index;
    state.order = null;
    redraw();
  };
  const sortAgain = () => {
    state.order = null;
    redraw();
  };
  return h(
    "div",
    { class: "table", key: `table ${id}` },
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            columns.map((column, index) => head(column, index, state, sortBy)),
          ),
        ),
        h(
          "tbody",
          null,
          shown.map((item) =>
            h(
              "tr",
              { ...describe?.(item.row), key: item.key },
              columns.map((column, index) => cell(column, index, item.row)),
            ),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "again", hidden: !isStale },
      "The numbers have moved on. ",
      h("button", { type: "button", class: "plain", on: { click: sortAgain } }, "Sort again"),
    ),
  );
}

function head(column, index, state, sortBy) {
  const isSorted = state.column === index;
  const direction = state.descending ? "descending" : "ascending";
  const props = { scope: "col", class: column.number ? "number" : null, key: column.title };
  if (column.fixed) return h("th", props, column.title);
  return h(
    "th",
    { ...props, "aria-sort": isSorted ? direction : null },
    h(
      "button",
      { type: "button", class: "sort", on: { click: () => sortBy(index) } },
      column.title,
      h(
        "span",
        { class: "arrow", "aria-hidden": "true" },
        isSorted ? (state.descending ? "▼" : "▲") : "",
      ),
    ),
  );
}

function cell(column, index, row) {
  const content = column.show === undefined ? column.of(row) : column.show(row);
  return index === 0
    ? h("th", { scope: "row", class: column.number ? "number" : null }, content)
    : h("td", { class: column.number ? "number" : null }, content);
}

// What stands below a list that was cut, with a way to see more of it.
export function more(shown, limit, isCut, showMore) {
  if (!isCut && shown < limit) return null;
  if (limit >= 1000)
    return h("p", { class: "quiet" }, "These are the first 1,000; the API has the others.");
  return h(
    "p",
    null,
    h(
      "button",
      { type: "button", on: { click: () => showMore(Math.min(1000, limit * 4)) } },
      "Show more",
    ),
  );
}
