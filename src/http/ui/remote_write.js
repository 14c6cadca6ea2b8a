// Remote write: for each receiver what waits, what arrived and what did not.

import { h } from "./dom.js";
import * as format from "./format.js";
import { code, empty, facts, section, state } from "./parts.js";
import { table } from "./table.js";
import { name } from "./text.js";

export const title = "Remote write";

export async function load({ ask }) {
  return ask(["remote-write"]);
}

export function view(data) {
  if (data.receivers.length === 0) {
    return empty(
      "Nothing is pushed",
      h(
        "p",
        null,
        "spanmeter can send its metrics to any receiver of Prometheus remote write, and keep them on disk while that is away:",
      ),
      code(
        '[storage]\npath = "/var/lib/spanmeter"\n\n[[remote_write]]\nurl = "https://mimir.example.com/api/v1/push"',
        "Example of a receiver",
      ),
    );
  }
  return [data.receivers.map(receiver), storage(data.storage)];
}

const KINDS = [
  ["Samples", "samples"],
  ["Histograms", "histograms"],
  ["Exemplars", "exemplars"],
];

function receiver(item, index) {
  const id = `receiver-${index}`;
  return section(
    id,
    name(item.name),
    item.healthy ? state("ok", "healthy") : state("critical", "failing"),
    item.last_error
      ? h(
          "p",
          { class: "error", key: "error" },
          h("span", { class: "quiet" }, "Last error, ", format.ago(item.last_error_ms), ": "),
          name(item.last_error, 300),
        )
      : null,
    facts([
      ["To", name(item.url, 120)],
      ["Protocol", name(item.protocol)],
      ["Lag", format.duration(item.lag_seconds)],
      ["Last success", format.ago(item.last_success_ms)],
      ["Shards", `${format.count(item.shards)} of at most ${format.count(item.max_shards)}`],
      ["Backlog", `${format.bytes(item.queue.bytes)} in ${format.count(item.queue.blocks)} blocks`],
      ["Backlog in memory", format.bytes(item.queue.memory_bytes)],
      ["Age of the oldest", format.duration(item.queue.age_seconds)],
      ["Sent", format.bytes(item.bytes_sent)],
    ]),
    table({
      id: `kinds ${item.name}`,
      label: `What became of everything, ${item.name}`,
      rows: KINDS,
      keyOf: (row) => row[1],
      columns: [
        { title: "What", fixed: true, of: (row) => row[0] },
        ...["collected", "sent", "retried", "failed", "pending"].map((key) => ({
          title: key[0].toUpperCase() + key.slice(1),
          number: true,
          fixed: true,
          of: (row) => item[row[1]][key],
          show: (row) => format.count(item[row[1]][key]),
        })),
      ],
    }),
    item.dropped.length === 0
      ? h("p", { class: "quiet", key: "nothing" }, "Nothing was dropped.")
      : table({
          id: `dropped ${item.name}`,
          label: `What was dropped, ${item.name}`,
          rows: item.dropped,
          keyOf: (row) => row.reason,
          columns: [
            {
              title: "Dropped because",
              of: (row) => row.reason,
              show: (row) => [name(row.reason), hint(row.reason)],
            },
            ...KINDS.map(([text, key]) => ({
              title: text,
              number: true,
              of: (row) => row[key],
              show: (row) => format.count(row[key]),
            })),
          ],
        }),
  );
}

const REASONS = new Map([
  ["too_old", "waited for longer than storage.max_age or sample_age_limit"],
  ["queue_full", "no room was left: see storage.max_size and storage.max_memory"],
  ["rejected", "the receiver will not have it: see the last error"],
  ["corrupt", "what lay on disk could not be read"],
  ["shutdown", "was in memory only when the process ended"],
]);

function hint(reason) {
  return REASONS.has(reason) ? h("div", { class: "hint" }, REASONS.get(reason)) : null;
}

function storage(item) {
  return section(
    "storage",
    "Storage of the backlog",
    item.path === null ? null : item.up ? state("ok", "works") : state("critical", "does not work"),
    item.path === null
      ? h(
          "p",
          { key: "memory" },
          "In memory only: what waits is lost when the process ends. Set storage.path to keep it on disk.",
        )
      : [
          item.error ? h("p", { class: "error", key: "error" }, name(item.error, 300)) : null,
          facts([
            ["Directory", name(item.path, 120)],
            ["Size of the file", format.bytes(item.file_bytes)],
            ["Of receivers that are gone", format.bytes(item.unclaimed_bytes)],
            ["Damaged files set aside", format.count(item.files_set_aside)],
          ]),
        ],
  );
}
