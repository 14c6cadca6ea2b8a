// Using the page, against the mock: by keyboard alone, while its numbers change, and when the server
// goes away and comes back.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { PAGES, Tab, launch } from "./browser.mjs";
import { startMock } from "./mock_api.mjs";

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

// A tab whose time only passes when told to.
async function openWithClock(hash, options) {
  Object.assign(mock.state, { mode: "live", tenants: 4, nodes: 24, limits: true, grown: false });
  const tab = await Tab.open(browser, mock.url, options);
  await tab.page.clock.install();
  await tab.go(hash);
  await tab.page.clock.pauseAt(Date.now() + 60000);
  return tab;
}

// Lets one update happen and waits for its answers.
async function update(tab) {
  const before = mock.state.requests;
  await tab.page.clock.runFor(5100);
  await waitFor(() => mock.state.requests > before);
  await tab.quiet();
}

async function waitFor(condition) {
  for (let i = 0; i < 3000; ++i) {
    if (await condition()) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  throw new Error("waited in vain");
}

function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return {
      text: (element.getAttribute("aria-label") ?? element.textContent).trim().slice(0, 60),
      tag: element.tagName,
      isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
      isSeen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
    };
  });
}

for (const [hash] of PAGES) {
  test(`everything on ${hash} is reached by Tab and marked`, async () => {
    const tab = await openWithClock(hash);
    const count = await tab.page.evaluate(
      () =>
        [
          ...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']"),
        ].filter(
          (element) =>
            !element.disabled &&
            element.getClientRects().length > 0 &&
            !element.closest("details:not([open]) > :not(summary)"),
        ).length,
    );
    const radios = await tab.page.locator("input[type=radio]:not(:checked)").count();
    let reached = 0;
    await tab.page.evaluate(() => document.activeElement.blur());
    for (; reached < count + 5; ++reached) {
      await tab.page.keyboard.press("Tab");
      const at = await focused(tab.page);
      if (at.tag === "BODY") break;
      assert.ok(at.isMarked, `no mark on ${at.tag} ${at.text}`);
      assert.ok(at.isSeen, `out of sight: ${at.tag} ${at.text}`);
    }
    // Of a group of radio buttons Tab reaches one, and arrows the others.
    assert.equal(reached, count - radios);
    await tab.close();
  });
}

test("the first Tab skips to the content", async () => {
  const tab = await openWithClock("#/series/metrics");
  await tab.page.keyboard.press("Tab");
  assert.equal((await focused(tab.page)).text, "Skip to the content");
  await tab.page.keyboard.press("Enter");
  await tab.page.keyboard.press("Tab");
  assert.equal((await focused(tab.page)).text, "By metric");
  assert.match(tab.page.url(), /#\/series\/metrics$/);
  await tab.close();
});

test("pages are changed, searched and sorted by keyboard", async () => {
  const tab = await openWithClock("#/overview", { tolerate: /status of 400/ });
  const { page } = tab;
  await page.locator("#nav a", { hasText: "Series" }).focus();
  await page.keyboard.press("Enter");
  await tab.ready();
  assert.equal((await focused(page)).text, "Series");
  assert.equal(await page.title(), "Series – spanmeter");
  await page.locator("#nav a[aria-current=page]", { hasText: "Series" }).waitFor();

  await page.locator("button.sort", { hasText: "Type" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("th[aria-sort=ascending]", { hasText: "Type" }).waitFor();
  assert.equal((await focused(page)).text.startsWith("Type"), true);
  await page.keyboard.press("Enter");
  await page.locator("th[aria-sort=descending]", { hasText: "Type" }).waitFor();

  await page.locator(".views a", { hasText: "Search" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("#match").focus();
  await page.keyboard.type('{service="cart"}');
  await page.keyboard.press("Enter");
  await page.locator("h2", { hasText: "180 series" }).waitFor();
  assert.equal(await page.locator("#match").inputValue(), '{service="cart"}');
  await page.locator("#match").fill('{service=~"("}');
  await page.keyboard.press("Enter");
  await page.locator("#match[aria-invalid=true]").waitFor();
  assert.match(await page.locator("#match-help").innerText(), /missing \)/);
  await tab.assertClean("keyboard");
  await tab.close();
});

test("the tenant is changed by keyboard and kept across pages", async () => {
  const tab = await openWithClock("#/series/metrics");
  const { page } = tab;
  await page.locator(".controls select").focus();
  await page.keyboard.press("ArrowDown");
  await page.waitForURL(/tenant=payments/);
  await tab.ready();
  await page.locator("#nav a", { hasText: "Service graph" }).click();
  await tab.ready();
  assert.equal(await page.locator(".controls select").inputValue(), "payments");
  await tab.close();
});

test("labels are left out and added by keyboard", async () => {
  const tab = await openWithClock("#/series/cost");
  const { page } = tab;
  await page.locator("label", { hasText: "http_route" }).locator("input").focus();
  await page.keyboard.press("Space");
  await page.locator(".figure", { hasText: "With this choice" }).filter({ hasText: "−" }).waitFor();
  assert.match(page.url(), /keep=span_name%2Cservice%2Cstatus_code%2Cspan_kind%2Cregion/);
  assert.equal(
    await page.locator("label", { hasText: "http_route" }).locator("input").isChecked(),
    false,
  );
  await page.locator("input[name=label]").fill("zone");
  await page.locator("input[name=values]").fill("3");
  await page.keyboard.press("Enter");
  await page.waitForURL(/add=zone%3A3/);
  await page.locator(".figure", { hasText: "With this choice" }).filter({ hasText: "+" }).waitFor();
  await tab.close();
});

function transform(page) {
  return page.locator(".graph-content").getAttribute("transform");
}

test("the graph is moved and enlarged by keyboard, mouse and touch", async () => {
  const tab = await openWithClock("#/graph", { hasTouch: true });
  const { page } = tab;
  const changes = async (what, action) => {
    const before = await transform(page);
    await action();
    assert.notEqual(await transform(page), before, what);
  };
  await page.locator(".graph").focus();
  for (const key of ["ArrowLeft", "ArrowDown", "+", "-", "Shift+ArrowUp", "0"]) {
    await changes(key, () => page.keyboard.press(key));
  }
  const box = await page.locator(".graph").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height - 20];
  await page.mouse.move(x, y);
  await changes("wheel", async () => {
    const before = await transform(page);
    await page.mouse.wheel(0, -300);
    await waitFor(async () => (await transform(page)) !== before);
  });
  await changes("drag", async () => {
    await page.mouse.down();
    await page.mouse.move(x + 80, y - 60, { steps: 4 });
    await page.mouse.up();
  });
  const session = await page.context().newCDPSession(page);
  const touch = (type, points) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  const scale = async () => Number(/scale\(([\d.]+)\)/.exec(await transform(page))[1]);
  const before = await scale();
  await touch("touchStart", [
    { x: x - 50, y, id: 0 },
    { x: x + 50, y, id: 1 },
  ]);
  for (let i = 1; i <= 5; ++i)
    await touch("touchMove", [
      { x: x - 50 - i * 20, y, id: 0 },
      { x: x + 50 + i * 20, y, id: 1 },
    ]);
  await touch("touchEnd", []);
  assert.ok((await scale()) > before * 1.5, "two fingers enlarge");
  await tab.assertClean("graph");
  await tab.close();
});

test("a node is chosen, and its neighbourhood shown", async () => {
  const tab = await openWithClock("#/graph");
  const { page } = tab;
  const row = page.locator("button.plain", { hasText: "checkout" }).first();
  await row.focus();
  await page.keyboard.press("Enter");
  await page.locator(".detail", { hasText: "checkout" }).waitFor();
  assert.equal(await page.locator(".node.chosen[data-node=checkout]").count(), 1);
  await page.locator("button", { hasText: "Only its neighbours" }).click();
  await page.waitForURL(/service=checkout/);
  await waitFor(async () => (await page.locator(".node[data-node]").count()) < 10);
  assert.ok((await page.locator(".node[data-node]").count()) > 1);
  const drawn = await page.locator(".node[data-node]").count();
  await page.locator("select[name=depth]").selectOption("3");
  await waitFor(async () => (await page.locator(".node[data-node]").count()) > drawn);
  await page.locator("select[name=service]").selectOption("");
  await waitFor(async () => (await page.locator(".node[data-node]").count()) === 24);
  await tab.close();
});

test("an update changes numbers and nothing else", async () => {
  const tab = await openWithClock("#/graph");
  const { page } = tab;
  await page.locator("button.sort", { hasText: "Rate" }).first().focus();
  const figures = () => page.locator("section[aria-labelledby=nodes] tbody").innerText();
  const places = () =>
    page.evaluate(() =>
      [...document.querySelectorAll(".node[data-node]")]
        .map((node) => node.getAttribute("transform"))
        .join(),
    );
  const top = () =>
    page.evaluate(
      () => document.querySelector("section[aria-labelledby=nodes]").getBoundingClientRect().top,
    );
  const [text, at, height] = [await figures(), await places(), await top()];
  await page.evaluate(() => {
    window.marked = document.activeElement;
  });
  await waitFor(async () => {
    await update(tab);
    return (await figures()) !== text;
  });
  assert.equal(await places(), at);
  assert.equal(await top(), height);
  assert.ok(
    await page.evaluate(
      () => document.activeElement === window.marked && window.marked.isConnected,
    ),
  );
  assert.equal(await page.locator("#live").innerText(), "");
  await tab.close();
});

test("rows keep their places until they are sorted again", async () => {
  const tab = await openWithClock("#/series/metrics");
  const { page } = tab;
  const names = () => page.locator("tbody tr th a").allInnerTexts();
  const before = await names();
  mock.state.grown = true;
  await update(tab);
  await page.locator(".again button").waitFor();
  assert.deepEqual(await names(), before);
  await page.locator(".again button").click();
  assert.equal((await names())[0], "traces_spanmetrics_calls_total");
  await page.locator(".again button").waitFor({ state: "hidden" });
  await tab.close();
});

test("an update does not undo what is being typed", async () => {
  const tab = await openWithClock("#/series/search?match=calls");
  const { page } = tab;
  await page.locator("#match").fill("half of a mat");
  await update(tab);
  assert.equal(await page.locator("#match").inputValue(), "half of a mat");
  await tab.close();
});

test("nothing is asked while paused or hidden", async () => {
  const tab = await openWithClock("#/overview");
  const { page } = tab;
  await page.locator("button", { hasText: "Pause" }).click();
  await page.locator("button[aria-pressed=true]", { hasText: "Pause" }).waitFor();
  await tab.quiet();
  let asked = mock.state.requests;
  await page.clock.runFor(60000);
  assert.equal(mock.state.requests, asked);
  await page.locator("button", { hasText: "Pause" }).click();
  await waitFor(() => mock.state.requests > asked);

  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await hide(true);
  await tab.quiet();
  asked = mock.state.requests;
  await page.clock.runFor(60000);
  assert.equal(mock.state.requests, asked);
  await hide(false);
  await waitFor(() => mock.state.requests > asked);
  await tab.close();
});

test("a server that is gone leaves the last numbers, and is back by itself", async () => {
  const own = await startMock();
  const port = Number(new URL(own.url).port);
  const tab = await Tab.open(browser, own.url, { tolerate: /Failed to load resource/ });
  const { page } = tab;
  await page.clock.install();
  await tab.go("#/overview");
  await page.clock.pauseAt(Date.now() + 60000);
  await own.close();
  await waitFor(async () => {
    await page.clock.runFor(5100);
    return (await page.locator(".stale").count()) > 0;
  });
  assert.match(await page.locator(".stale").innerText(), /cannot be reached.*every 5 seconds/);
  assert.ok((await page.locator(".tile").count()) > 4);
  assert.match(await page.locator("#live").innerText(), /Cannot update/);
  await page.clock.resume(); // axe takes its time
  await tab.assertAccessible("server gone");
  await tab.screenshot("server-gone");
  const again = await startMock(port);
  await page.locator(".stale").waitFor({ state: "detached" });
  assert.equal(await page.locator("#live").innerText(), "Up to date again");
  await tab.assertClean("server gone");
  await again.close();
  await tab.close();
});
