// The real spanmeter with real traffic: the page and the API fit together, and names that came over
// the wire are text.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { DEADLINE_MS, NARROW, PAGES, Tab, fileName, launch } from "./browser.mjs";
import { HOSTILE } from "./mock_data.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));

const CONFIG = `
[otlp.grpc]
listen = "127.0.0.1:0"
[otlp.http]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[generator]
processors = ["span-metrics", "service-graphs"]
max_active_series = 3000
max_cardinality_per_label = 200
span_name_sanitization = "dry_run"
[generator.span_metrics]
dimensions = ["hostile"]
[generator.service_graphs]
wait = "1s"
enable_virtual_node_label = true
[[remote_write]]
name = "nowhere"
url = "http://127.0.0.1:9/api/v1/push"
`;

async function waitFor(condition, what) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

// A running spanmeter; stop() ends it and what was started beside it.
class Server {
  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "spanmeter-browser-"));
    this.children = [];
    this.log = join(this.directory, "log");
    const config = join(this.directory, "spanmeter.toml");
    writeFileSync(config, CONFIG);
    this.process = this.start(process.env.SPANMETER, [`--config.file=${config}`], this.log);
  }

  start(program, parameters, log) {
    const output = log === undefined ? "ignore" : openSync(log, "a");
    const child = spawn(program, parameters, {
      stdio: ["ignore", output, output],
      cwd: this.directory,
    });
    this.children.push(child);
    return child;
  }

  async address(port) {
    return waitFor(() => {
      const log = readFileSync(this.log, "utf8");
      assert.equal(this.process.exitCode, null, log);
      return new RegExp(`^.*\\blistening\\b.*\\bport=${port}\\b.*\\baddress=(\\S+)`, "m").exec(
        log,
      )?.[1];
    }, `the port ${port}`);
  }

  stop() {
    for (const child of this.children.reverse()) child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

test("the real server's pages", { timeout: 600000 }, async (t) => {
  const server = new Server();
  t.after(() => server.stop());
  const base = `http://${await server.address("http")}/`;
  const grpc = await server.address("otlp_grpc");
  const first = await waitFor(
    async () => fetch(`${base}api/v1/overview`).catch(() => null),
    "an answer",
  );
  assert.equal(first.status, 200);
  assert.match(first.headers.get("content-security-policy") ?? "", /default-src 'none'/);

  server.start(process.env.SPANMETER_LOADGEN, [
    "--target",
    grpc,
    "--scenario",
    "shop",
    "--rate",
    "300",
  ]);
  const names = join(server.directory, "names.json");
  writeFileSync(names, JSON.stringify(HOSTILE));
  execFileSync("/usr/bin/python3", ["-B", join(HERE, "send_hostile.py"), grpc, names], {
    stdio: "inherit",
  });

  const ask = async (path) => (await fetch(`${base}api/v1/${path}`)).json();
  const { tenants } = await waitFor(async () => {
    const answer = await ask("tenants");
    return answer.tenants.length > 0 ? answer : null;
  }, "a tenant");
  const tenant = encodeURIComponent(tenants[0].name);
  await waitFor(
    async () => (await ask(`tenants/${tenant}/service-graph`)).edges?.length > 10,
    "the edges",
  );

  const browser = await launch();
  t.after(() => browser.close());
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [undefined, NARROW]) {
      const kind = `${viewport === undefined ? "wide" : "narrow"}-${colorScheme}`;
      const tab = await Tab.open(browser, base, {
        colorScheme,
        ...(viewport === undefined ? {} : { viewport }),
      });
      for (const [hash, heading] of PAGES) {
        const what = `server ${kind} ${hash}`;
        await tab.go(hash);
        assert.equal(await tab.page.locator("h1").innerText(), heading, what);
        await tab.screenshot(`server-${kind}-${fileName(hash)}`);
        await tab.assertFits(what);
        await tab.assertClean(what);
        await tab.assertAccessible(what);
      }
      await tab.close();
    }
  }

  const tab = await Tab.open(browser, base);
  await tab.go("#/overview");
  assert.doesNotMatch(await tab.page.locator("main").innerText(), /No spans yet/);
  assert.match(await tab.page.locator("main").innerText(), /nowhere/);
  await tab.go("#/series/labels?label=span_name&limit=1000");
  const text = await tab.page.locator("main").innerText();
  for (const part of [
    "<script>window.pwned=1</script>",
    "invoice\\u202Efdp.exe",
    "line one\\nline two",
    "2048 characters",
  ]) {
    assert.ok(text.includes(part), part);
  }
  await tab.go(
    `#/series/search?${new URLSearchParams({ match: '{service="<script>window.pwned=1</script>"}' })}`,
  );
  assert.match(await tab.page.locator("main").innerText(), /traces_spanmetrics_calls_total/);
  await tab.go("#/graph");
  assert.ok((await tab.page.locator(".node[data-node]").count()) > 10);
  await tab.assertClean("hostile names of the real server");
  await tab.close();
});
