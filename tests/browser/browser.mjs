// A real browser, and what every look at a page checks: nothing on the console, nothing that the
// content security policy had to stop, no script from data.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const HERE = dirname(fileURLToPath(import.meta.url));
export const SCREENSHOTS = join(HERE, "../../build/browser");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// Longer than anything takes that works, also on a busy machine.
export const DEADLINE_MS = 60000;

export const WIDE = { width: 1280, height: 900 };
export const NARROW = { width: 360, height: 740 };

// Every page and view, with its heading.
export const PAGES = [
  ["#/overview", "Overview"],
  ["#/series/metrics", "Series"],
  ["#/series/labels", "Series"],
  ["#/series/labels?label=span_name", "Series"],
  ["#/series/top", "Series"],
  ["#/series/top?by=operation&order=churn", "Series"],
  ["#/series/search?match=traces_spanmetrics_calls_total", "Series"],
  ["#/series/overflow", "Series"],
  ["#/series/names", "Series"],
  ["#/series/cost", "Series"],
  ["#/graph", "Service graph"],
  ["#/tenants", "Tenants & limits"],
  ["#/remote-write", "Remote write"],
  ["#/config", "Configuration"],
];

export async function launch() {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // The sandbox of Chromium does not work for root; nothing but our own page is opened.
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  });
}

// A tab that keeps what went wrong in it.
//   colorScheme   "light" or "dark"
//   tolerate      pattern of console messages that are expected
export class Tab {
  static async open(
    browser,
    base,
    { viewport = WIDE, colorScheme = "light", tolerate = null, ...rest } = {},
  ) {
    const context = await browser.newContext({ viewport, colorScheme, locale: "en-GB", ...rest });
    context.setDefaultTimeout(DEADLINE_MS);
    const page = await context.newPage();
    const tab = new Tab(context, page, base, tolerate);
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => {
        window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    return tab;
  }

  constructor(context, page, base, tolerate) {
    this.context = context;
    this.page = page;
    this.base = base;
    this.faults = [];
    this.pending = 0; // requests without an answer
    const note = (text) => {
      if (tolerate === null || !tolerate.test(text)) this.faults.push(text);
    };
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) note(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => note(`error: ${error.stack}`));
    page.on("dialog", (dialog) => {
      note(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    for (const end of ["requestfinished", "requestfailed"]) {
      page.on(end, () => {
        this.pending -= 1;
      });
    }
    page.on("request", (request) => {
      this.pending += 1;
      if (!request.url().startsWith(base) && !request.url().startsWith("data:"))
        note(`asks ${request.url()}`);
    });
  }

  // Goes to a place inside of the page and waits until its content is there.
  async go(hash) {
    // Through another document, so that nothing of the page before is left.
    await this.page.goto("about:blank");
    await this.page.goto(this.base + hash);
    await this.ready();
  }

  async ready() {
    await this.page.waitForFunction(() => {
      const main = document.getElementById("main");
      return (
        main.querySelector("section, .empty, form") !== null &&
        !main.textContent.includes("Asking…") &&
        (main.querySelector(".graph") === null || main.querySelector(".graph-content") !== null)
      );
    });
  }

  // Waits until the page asks for nothing more.
  async quiet() {
    for (let idle = 0; idle < 5; idle = this.pending === 0 ? idle + 1 : 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
    }
  }

  async screenshot(name) {
    await this.page.screenshot({
      path: join(SCREENSHOTS, `${name}.png`),
      fullPage: true,
      caret: "initial",
    });
  }

  // No script of data has run, and the policy had nothing to do.
  async assertClean(what) {
    const seen = await this.page.evaluate(() => ({
      pwned: window.pwned ?? null,
      violations: window.violations,
      scripts: document.scripts.length,
      foreign: document.querySelectorAll(
        "main :is(script, img, iframe, object, embed, link, style, base, meta), [style]:not(html)",
      ).length,
    }));
    assert.deepEqual(seen, { pwned: null, violations: [], scripts: 1, foreign: 0 }, what);
    assert.deepEqual(this.faults, [], what);
  }

  // The page itself never scrolls sideways.
  async assertFits(what) {
    const { scroll, client } = await this.page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      client: document.documentElement.clientWidth,
    }));
    assert.ok(scroll <= client, `${what}: ${scroll} px wide in ${client} px`);
  }

  async assertAccessible(what) {
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate(async () => {
      const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
      return violations
        .filter((violation) => ["serious", "critical"].includes(violation.impact))
        .map(
          ({ id, nodes }) =>
            `${id}: ${nodes
              .slice(0, 3)
              .map((node) => `${node.html.slice(0, 200)} (${node.failureSummary})`)
              .join(" | ")}`,
        );
    });
    assert.deepEqual(found, [], what);
  }

  async close() {
    await this.context.close();
  }
}

export function fileName(hash) {
  return hash
    .replace(/^#\//, "")
    .replace(/[^a-z]+/gi, "-")
    .replace(/-traces.*$/, "");
}
