// Pieces that several pages are made of.

import * as format from "./format.js";
import { h } from "./dom.js";

// A region with a heading. `note` stands beside the heading.
export function section(id, title, note, ...content) {
  return h(
    "section",
    { key: id, "aria-labelledby": id },
    h(
      "div",
      { class: "head" },
      h("h2", { id }, title),
      note ? h("div", { class: "note" }, note) : null,
    ),
    content,
  );
}

// A state without data: what it means and what to do next.
export function empty(title, ...content) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), content);
}

export function code(text, label) {
  return h("pre", { tabindex: "0", role: "region", "aria-label": label }, h("code", null, text));
}

// A word with a mark, so that its colour is not all there is. `level` is ok, warning, critical or
// quiet.
export function state(level, text) {
  const marks = { ok: "✓", warning: "▲", critical: "✕", quiet: "–" };
  return h(
    "span",
    { class: `state ${level}` },
    h("span", { class: "mark", "aria-hidden": "true" }, marks[level]),
    text,
  );
}

// A list of names and values. Rows that are null are left out.
export function facts(rows) {
  return h(
    "dl",
    { class: "facts" },
    rows
      .filter((row) => row !== null)
      .map(([term, value]) => h("div", { key: term }, h("dt", null, term), h("dd", null, value))),
  );
}

export function tile(label, value, ...content) {
  return h(
    "div",
    { class: "tile", key: label },
    h("div", { class: "tile-label" }, label),
    h("div", { class: "tile-value" }, value),
    content,
  );
}

const WARN_AT = 0.8;

export function levelOf(active, limit) {
  if (!limit) return "ok";
  if (active >= limit) return "critical";
  return active >= WARN_AT * limit ? "warning" : "ok";
}

// How much of a limit is used. What is wanted beyond the limit is drawn beyond its mark.
//   use: {active, limit, demand}; limit 0 or null: there is none
export function meter(label, { active, limit, demand }) {
  const beyond = limit && demand > limit ? demand : 0;
  if (!limit) {
    return h(
      "div",
      { class: "meter" },
      h(
        "div",
        { class: "meter-text quiet" },
        limit === null ? "limits differ by tenant" : "no limit set",
        demand > active * 1.05 ? `, about ${format.count(demand)} wanted` : "",
      ),
    );
  }
  const level = levelOf(active, limit);
  const full = Math.max(limit, beyond);
  const x = (value) => Math.min(100, (100 * value) / full).toFixed(2);
  const text = `${format.percent(active / limit)} of ${format.count(limit)}`;
  const wanted = beyond > 0 ? `, about ${format.count(beyond)} wanted` : "";
  return h(
    "div",
    { class: `meter ${level}` },
    h(
      "div",
      {
        role: "meter",
        "aria-label": label,
        "aria-valuemin": "0",
        "aria-valuemax": String(limit),
        "aria-valuenow": String(Math.min(active, limit)),
        "aria-valuetext": text + wanted,
      },
      h(
        "svg",
        {
          class: "meter-bar",
          viewBox: "0 0 100 8",
          preserveAspectRatio: "none",
          "aria-hidden": "true",
        },
        h("rect", { class: "meter-track", x: "0", y: "0", width: x(limit), height: "8" }),
        beyond > 0
          ? h("line", { class: "meter-beyond", x1: x(limit), x2: "100", y1: "4", y2: "4" })
          : null,
        h("rect", { class: "meter-fill", x: "0", y: "0", width: x(active), height: "8" }),
        beyond > 0
          ? h("line", { class: "meter-limit", x1: x(limit), x2: x(limit), y1: "0", y2: "8" })
          : null,
      ),
    ),
    h(
      "div",
      { class: "meter-text" },
      level === "ok" ? null : state(level, level === "critical" ? "limit reached: " : "close: "),
      text,
      wanted,
    ),
  );
}

const WIDTH = 240;
const HEIGHT = 36;
const HOUR_MS = 3600 * 1000;

// The last hour as a line; gaps where nothing is known.
export function sparkline(label, times, values, show) {
  const known = (values ?? []).filter((value) => Number.isFinite(value));
  if (known.length < 2) return h("div", { class: "spark quiet" }, "nothing to draw yet");
  const end = times[times.length - 1];
  const highest = Math.max(...known);
  const top = highest > 0 ? highest : 1;
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (!Number.isFinite(value)) {
      pen = "M";
      return;
    }
    const x = WIDTH * (1 - (end - times[index]) / HOUR_MS);
    path += `${pen}${x.toFixed(1)} ${(HEIGHT - 1 - (HEIGHT - 2) * (value / top)).toFixed(1)}`;
    pen = "L";
  });
  const now = show(known[known.length - 1]);
  return h(
    "div",
    { class: "spark" },
    h(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `${label} in the last hour: highest ${show(highest)}, now ${now}`,
      },
      h("line", {
        class: "spark-base",
        x1: "0",
        x2: String(WIDTH),
        y1: String(HEIGHT - 0.5),
        y2: String(HEIGHT - 0.5),
      }),
      h("path", { class: "spark-line", d: path }),
    ),
    h(
      "div",
      { class: "spark-text" },
      h("span", null, "last hour"),
      h("span", null, `highest ${show(highest)}`),
    ),
  );
}

// What went wrong, and what helps.
export function problem(error) {
  const status = error.status ?? -1;
  if (status === 0) {
    return empty(
      "No answer from spanmeter",
      h(
        "p",
        null,
        `It may be restarting or overloaded: ${error.message}. This page keeps trying every 5 seconds.`,
      ),
      h("p", null, "If that does not help, look whether the process runs, and into its log."),
    );
  }
  if (status === 401) {
    return empty(
      "Not signed in",
      h(
        "p",
        null,
        "This server asks for a user or token. Reload the page to sign in with a user of the role admin.",
      ),
      h(
        "p",
        null,
        "Users and tokens are set in the configuration under [[http.users]] and [[http.tokens]].",
      ),
    );
  }
  if (status === 403) {
    return empty(
      "This page is not open to you",
      h("p", null, error.message),
      h(
        "p",
        null,
        "Without users and tokens in the configuration, it is served to the machine itself only. Set " +
          "[[http.users]] with the role admin and sign in as that user, or open the page on that machine.",
      ),
    );
  }
  if (status === 404) {
    return empty(
      "Nothing there",
      h("p", null, error.message),
      h("p", null, h("a", { href: "#/tenants" }, "See which tenants there are")),
    );
  }
  if (status === 429 || status === 503) {
    return empty(
      "The server is busy",
      h("p", null, `${error.message}. This page keeps trying every 5 seconds.`),
    );
  }
  if (status === -1) {
    return empty(
      "This page has a fault",
      h(
        "p",
        null,
        `${error.message}. Reload it; if that does not help, please report what you did.`,
      ),
    );
  }
  return empty(`The server answers with status ${status}`, h("p", null, error.message));
}
