// Every page in every state, against the mock: it looks right, is accessible, and takes no name for
// anything but text.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { NARROW, PAGES, Tab, fileName, launch } from "./browser.mjs";
import { startMock } from "./mock_api.mjs";
import { HOSTILE } from "./mock_data.mjs";

let browser;
let mock;

before(async () => {
  browser = await launch();
  mock = await startMock();
});

after(async () => {
  await browser.close();
  await mock.close();
});

function set(changes) {
  Object.assign(
    mock.state,
    { mode: "live", tenants: 4, nodes: 24, limits: true, grown: false },
    changes,
  );
}

async function lookAtAll(prefix, options, look) {
  const tab = await Tab.open(browser, mock.url, options);
  for (const [hash, heading] of PAGES) {
    await tab.go(hash);
    assert.equal(await tab.page.locator("h1").innerText(), heading);
    await tab.screenshot(`${prefix}-${fileName(hash)}`);
    await tab.assertFits(`${prefix} ${hash}`);
    await tab.assertClean(`${prefix} ${hash}`);
    await look?.(tab, hash);
  }
  await tab.close();
}

for (const colorScheme of ["light", "dark"]) {
  test(`live pages are accessible in ${colorScheme}`, async () => {
    set({});
    await lookAtAll(`live-${colorScheme}`, { colorScheme }, (tab, hash) =>
      tab.assertAccessible(`${colorScheme} ${hash}`),
    );
  });

  test(`live pages fit 360 px and are accessible in ${colorScheme}`, async () => {
    set({});
    await lookAtAll(`narrow-${colorScheme}`, { colorScheme, viewport: NARROW }, (tab, hash) =>
      tab.assertAccessible(`narrow ${colorScheme} ${hash}`),
    );
  });

  test(`empty pages say what to do and are accessible in ${colorScheme}`, async () => {
    set({ mode: "empty", limits: false });
    await lookAtAll(`empty-${colorScheme}`, { colorScheme }, async (tab, hash) => {
      await tab.assertAccessible(`empty ${colorScheme} ${hash}`);
      if (!hash.startsWith("#/config"))
        assert.ok((await tab.page.locator(".empty p").count()) > 1, hash);
    });
  });
}

test("hostile names are text on every page", async () => {
  set({ mode: "hostile", nodes: 40 });
  const shown = new Set();
  await lookAtAll("hostile-light", {}, async (tab, hash) => {
    const text = await tab.page.evaluate(() => document.body.textContent);
    for (const name of HOSTILE) if (name !== "" && text.includes(name)) shown.add(name);
    // What turns the direction of writing, or cannot be seen, never gets through.
    assert.doesNotMatch(
      text.replace(/\p{Extended_Pictographic}\u200d/gu, ""),
      /[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\0\u0007\u007f]/,
      hash,
    );
    const said = await tab.page.evaluate(() =>
      [...document.querySelectorAll("[aria-label], [title]")]
        .map((element) => `${element.getAttribute("aria-label")}${element.getAttribute("title")}`)
        .join(""),
    );
    assert.doesNotMatch(said, /[\u202a-\u202e\u2066-\u2069\0]/, hash);
  });
  for (const name of HOSTILE.filter((item) => /^[\x20-\x7e]+$/.test(item) && item.length < 100)) {
    assert.ok(shown.has(name), `${name} is nowhere to be seen`);
  }
});

test("hostile names are accessible and fit 360 px", async () => {
  set({ mode: "hostile", nodes: 40 });
  await lookAtAll("hostile-narrow-dark", { colorScheme: "dark", viewport: NARROW }, (tab, hash) =>
    tab.assertAccessible(`hostile ${hash}`),
  );
});

test("controls and marks of direction are shown as escapes", async () => {
  set({ mode: "hostile" });
  const tab = await Tab.open(browser, mock.url);
  await tab.go("#/series/labels?label=span_name");
  const text = await tab.page.locator("table").innerText();
  for (const part of [
    "invoice\\u202Efdp.exe",
    "line one\\nline two\\r\\tand a tab",
    "\\u2066isolated\\u2069",
    "nul\\u0000 and bell\\u0007",
    "(empty)",
    "👩‍👩‍👧‍👦",
  ]) {
    assert.ok(text.includes(part), part);
  }
  await tab.close();
});

test("names of two kilobytes are cut and open by keyboard", async () => {
  set({ mode: "hostile" });
  const tab = await Tab.open(browser, mock.url);
  await tab.go("#/series/labels?label=span_name");
  const long = HOSTILE.find((name) => name.startsWith("long-"));
  const details = tab.page.locator("details.long", { hasText: "long-x" });
  const whole = details.locator(".whole");
  assert.equal(await whole.isVisible(), false);
  await details.locator("summary").focus();
  await tab.page.keyboard.press("Enter");
  await whole.waitFor();
  assert.equal(await whole.innerText(), long);
  await tab.close();
});

test("200 nodes are drawn with names that can be read", async () => {
  set({ nodes: 200 });
  const tab = await Tab.open(browser, mock.url);
  await tab.go("#/graph");
  const seen = await tab.page.evaluate(() => {
    const box = document.querySelector(".graph").getBoundingClientRect();
    const names = [...document.querySelectorAll(".node[data-node] .node-name")].filter(
      (item) => item.getBoundingClientRect().height > 0,
    );
    const boxes = [...document.querySelectorAll(".node[data-node] .outline")].map((item) =>
      item.getBoundingClientRect(),
    );
    let overlaps = 0;
    boxes.forEach((a, i) =>
      boxes.slice(i + 1).forEach((b) => {
        if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
          overlaps += 1;
      }),
    );
    const heights = names.map((item) => item.getBoundingClientRect().height);
    return {
      drawn: boxes.length,
      names: names.length,
      overlaps,
      smallest: Math.min(...heights),
      inSight: boxes.filter(
        (item) =>
          item.right > box.left &&
          item.left < box.right &&
          item.bottom > box.top &&
          item.top < box.bottom,
      ).length,
    };
  });
  assert.equal(seen.drawn, 200);
  assert.equal(seen.names, 200);
  assert.equal(seen.overlaps, 0);
  assert.ok(seen.smallest >= 8, `names are ${seen.smallest} px high`);
  assert.ok(seen.inSight >= 100, `${seen.inSight} nodes are in sight`);
  await tab.screenshot("graph-200-light");
  await tab.assertAccessible("200 nodes");
  await tab.assertClean("200 nodes");
  await tab.close();
});

test("one node and one tenant are enough", async () => {
  set({ nodes: 1, tenants: 1 });
  await lookAtAll("one-light", {});
});

test("bars are amber from 80 % of a limit on, and red at it", async () => {
  set({});
  const tab = await Tab.open(browser, mock.url);
  await tab.go("#/overview");
  // The page's own piece, with the amounts to either side of each mark.
  const colours = await tab.page.evaluate(async () => {
    const { meter } = await import("/parts.js");
    const { draw } = await import("/dom.js");
    const place = document.querySelector("main").appendChild(document.createElement("div"));
    const found = {};
    for (const active of [799, 800, 999, 1000]) {
      draw(place, [meter("use", { active, limit: 1000, demand: active })]);
      const fill = getComputedStyle(place.querySelector(".meter-fill")).fill;
      const [red, green, blue] = fill.match(/\d+/g).map(Number);
      const colour = blue > red ? "blue" : green > red / 2 ? "amber" : "red";
      found[active] = `${colour} ${place.querySelector(".meter-text").innerText}`;
    }
    return found;
  });
  assert.deepEqual(
    Object.values(colours).map((text) => text.split(" ")[0]),
    ["blue", "amber", "amber", "red"],
    JSON.stringify(colours),
  );
  // Not by colour alone.
  assert.match(colours[800], /close/);
  assert.match(colours[1000], /limit reached/);
  assert.doesNotMatch(colours[799], /close|reached/);
  await tab.close();
});

for (const [status, expected] of [
  [401, /\[\[http\.users\]\]/],
  [403, /\[\[http\.users\]\]/],
  [429, /busy/],
  [500, /status 500/],
  [503, /busy/],
]) {
  test(`status ${status} says what to do`, async () => {
    set({});
    mock.state.mode = status;
    const tab = await Tab.open(browser, mock.url, { tolerate: /Failed to load resource/ });
    for (const hash of ["#/overview", "#/graph"]) {
      await tab.go(hash);
      assert.match(await tab.page.locator(".empty").innerText(), expected);
    }
    await tab.assertAccessible(`status ${status}`);
    await tab.assertClean(`status ${status}`);
    await tab.screenshot(`status-${status}`);
    await tab.close();
  });
}

test("a tenant or page that does not exist says so", async () => {
  set({});
  const tab = await Tab.open(browser, mock.url, { tolerate: /Failed to load resource/ });
  await tab.go("#/series/metrics?tenant=nobody");
  assert.match(await tab.page.locator(".empty").innerText(), /no such tenant/);
  await tab.page.goto(`${mock.url}#/nowhere`);
  await tab.page.locator("h1", { hasText: "No such page" }).waitFor();
  await tab.assertClean("missing");
  await tab.close();
});
