// The frame around the pages: finds the page for the address, asks for its data every five seconds
// while somebody looks, and says when that fails.

import { ask, ApiError } from "./api.js";
import { draw, h } from "./dom.js";
import * as format from "./format.js";
import { empty, problem } from "./parts.js";
import { announce, currentRoute, linkTo } from "./route.js";
import { forgetOrders } from "./table.js";
import { plainName } from "./text.js";
import * as config from "./config.js";
import * as graph from "./graph.js";
import * as overview from "./overview.js";
import * as remoteWrite from "./remote_write.js";
import * as series from "./series.js";
import * as tenants from "./tenants.js";

const INTERVAL_MS = 5000;
const TENANTS_EVERY_MS = 30000;

// A page has a `title`, `needsTenant`, load(context) -> data and view(data, context) -> elements.
const pages = new Map([
  ["overview", overview],
  ["series", series],
  ["graph", graph],
  ["tenants", tenants],
  ["remote-write", remoteWrite],
  ["config", config],
]);

const main = document.getElementById("main");
const controls = document.getElementById("controls");

const app = {
  route: currentRoute(),
  tenancy: false,
  tenants: [], // names
  tenantsAt: -Infinity,
  chosenTenant: null, // by hand, remembered across pages
  data: null,
  error: null,
  updatedAt: null,
  paused: false,
  timer: null,
  control: null, // of the request that is under way
};

function context() {
  const { page, part, query } = app.route;
  const named = query.get("tenant");
  const tenant =
    named ?? (app.tenants.includes(app.chosenTenant) ? app.chosenTenant : (app.tenants[0] ?? null));
  return {
    page,
    part,
    query,
    tenant,
    tenancy: app.tenancy,
    // The limit of a list that can be shown in parts.
    limit: Math.min(1000, Math.max(1, Number.parseInt(query.get("limit") ?? "50", 10) || 50)),
    ask: (parts, parameters) => ask(parts, parameters, app.control?.signal),
    askTenant: (parts, parameters) =>
      ask(["tenants", tenant, ...parts], parameters, app.control?.signal),
    // A link within the same tenant.
    link: (toPage, toPart, parameters) => linkTo(toPage, toPart, { tenant: named, ...parameters }),
  };
}

async function loadTenants() {
  if (performance.now() - app.tenantsAt < TENANTS_EVERY_MS) return;
  const signal = app.control?.signal;
  const [first, answer] = await Promise.all([
    ask(["overview"], {}, signal),
    ask(["tenants"], { limit: 1000 }, signal),
  ]);
  app.tenancy = first.tenancy;
  app.tenants = answer.tenants.map((tenant) => tenant.name);
  // Until there is a tenant, the next one to look asks again.
  if (app.tenants.length > 0) app.tenantsAt = performance.now();
}

async function refresh() {
  clearTimeout(app.timer);
  app.control?.abort();
  const control = new AbortController();
  app.control = control;
  const page = pages.get(app.route.page);
  try {
    let data = null;
    await loadTenants();
    if (page !== undefined && (!page.needsTenant || context().tenant !== null))
      data = await page.load(context());
    if (control.signal.aborted) return;
    if (app.error !== null) announce("Up to date again");
    app.data = data;
    app.error = null;
    app.updatedAt = Date.now();
  } catch (error) {
    if (control.signal.aborted) return;
    if (app.error === null) announce(`Cannot update this page: ${error.message}`);
    app.error = error;
    // What was shown for another question says nothing about this one.
    if (!(error instanceof ApiError) || (error.status !== 0 && error.status !== 503))
      app.data = null;
  }
  show();
  schedule();
}

function schedule() {
  clearTimeout(app.timer);
  if (!app.paused && !document.hidden) app.timer = setTimeout(refresh, INTERVAL_MS);
}

function show() {
  showControls();
  const page = pages.get(app.route.page);
  if (page === undefined) {
    draw(main, [
      h("h1", { key: "none", tabindex: "-1" }, "No such page"),
      h("p", null, h("a", { href: "#/overview" }, "Overview")),
    ]);
    return;
  }
  draw(main, [
    h("h1", { key: app.route.page, tabindex: "-1" }, page.title),
    h("div", { key: `page ${app.route.page}` }, content(page)),
  ]);
}

function content(page) {
  if (app.data !== null) {
    const stale =
      app.error === null
        ? null
        : h(
            "p",
            { class: "stale", key: "stale" },
            `Not up to date: ${app.error.message}. Trying again every 5 seconds; this is from ${format.timeOfDay(app.updatedAt)}.`,
          );
    return [stale, view(page)];
  }
  if (app.error !== null) return problem(app.error);
  if (app.updatedAt === null || context().tenant !== null)
    return h("p", { class: "quiet" }, "Asking…");
  return overview.noSpansYet();
}

function view(page) {
  try {
    return page.view(app.data, context());
  } catch (error) {
    // An answer that this page does not understand must not leave the frame half drawn.
    console.error(error);
    return problem(error);
  }
}

function showControls() {
  const { tenant } = context();
  const page = pages.get(app.route.page);
  const hasChoice =
    page?.needsTenant && (app.tenancy || app.tenants.length > 1) && app.tenants.length > 0;
  const names = hasChoice && !app.tenants.includes(tenant) ? [tenant, ...app.tenants] : app.tenants;
  draw(controls, [
    hasChoice
      ? h(
          "label",
          { key: "tenant" },
          "Tenant ",
          h(
            "select",
            {
              value: tenant,
              on: {
                change: (event) => {
                  app.chosenTenant = event.target.value;
                  location.hash = linkTo(app.route.page, app.route.part, {
                    tenant: event.target.value,
                  });
                },
              },
            },
            names.map((item) => h("option", { key: item, value: item }, plainName(item, 40))),
          ),
        )
      : null,
    h("span", { class: "updated", key: "updated" }, updateText()),
    h(
      "button",
      {
        type: "button",
        key: "pause",
        "aria-pressed": String(app.paused),
        on: { click: togglePause },
      },
      "Pause",
    ),
  ]);
}

function updateText() {
  if (app.error !== null && app.data !== null) return "not up to date";
  if (app.updatedAt === null) return "";
  return `${app.paused ? "as of" : "updated"} ${format.timeOfDay(app.updatedAt)}`;
}

function togglePause() {
  app.paused = !app.paused;
  announce(app.paused ? "Updates are paused" : "Updates every 5 seconds");
  if (app.paused) {
    clearTimeout(app.timer);
    show();
  } else {
    refresh();
  }
}

function markPage() {
  const page = pages.get(app.route.page);
  document.title = page === undefined ? "spanmeter" : `${page.title} – spanmeter`;
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === `#/${app.route.page}`)
      link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function navigated() {
  // A link to a place inside of the page is none of ours.
  if (location.hash !== "" && !location.hash.startsWith("#/")) return;
  const before = app.route;
  app.route = currentRoute();
  app.data = null;
  app.error = null;
  forgetOrders();
  markPage();
  const chosen = app.route.query.get("tenant");
  if (chosen !== null) app.chosenTenant = chosen;
  show();
  if (before.page !== app.route.page) {
    scrollTo(0, 0);
    main.querySelector("h1")?.focus({ preventScroll: true });
  }
  refresh();
}

addEventListener("hashchange", navigated);
document.addEventListener("spanmeter:redraw", show);
// The same question with other parameters: what is shown stays until the answer comes.
document.addEventListener("spanmeter:adjusted", () => {
  app.route = currentRoute();
  show();
  refresh();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(app.timer);
  else if (!app.paused) refresh();
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

markPage();
show();
refresh();
