// Tests of the page in a real browser: node tests/browser/run.mjs
//
// SPANMETER and SPANMETER_LOADGEN are the programs to run; CHROMIUM a browser other than Debian's.
// Pictures of all pages are left in build/browser/.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

// Installs exactly what package-lock.json names, if it is not there.
function install() {
  const versions = (file) => {
    const { packages } = JSON.parse(readFileSync(join(HERE, file), "utf8"));
    return JSON.stringify(
      Object.entries(packages)
        .filter(([name]) => name !== "")
        .map(([name, item]) => [name, item.version]),
    );
  };
  try {
    if (versions("node_modules/.package-lock.json") === versions("package-lock.json")) return;
  } catch {
    // Not there, or half of it.
  }
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: HERE,
    stdio: "inherit",
  });
}

for (const name of ["SPANMETER", "SPANMETER_LOADGEN"]) {
  if (!process.env[name]) {
    console.error(`browser tests: ${name} must name the program`);
    process.exit(2);
  }
}
install();
await import("./server_test.mjs");
await import("./pages_test.mjs");
await import("./use_test.mjs");
