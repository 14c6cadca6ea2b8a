// Configuration: what is in force, and how the last reload went.

import { h } from "./dom.js";
import * as format from "./format.js";
import { facts, section, state } from "./parts.js";
import { lines, name } from "./text.js";

export const title = "Configuration";

export async function load({ ask }) {
  return ask(["config"]);
}

export function view(data) {
  const reload = data.last_reload;
  return [
    section(
      "reload",
      "Last reload",
      null,
      facts([
        ["File", data.file ? name(data.file, 200) : "none: all defaults"],
        [
          "Result",
          !reload?.time_ms
            ? "not reloaded since the start"
            : reload.success
              ? state("ok", "taken")
              : state("critical", "refused"),
        ],
        reload?.time_ms ? ["When", format.ago(reload.time_ms)] : null,
      ]),
      reload?.problem
        ? h(
            "p",
            { class: "error", key: "problem" },
            name(reload.problem, 600),
            " What was in force before still is: correct the file and reload again.",
          )
        : null,
      data.restart_needed_for.length === 0
        ? null
        : h(
            "div",
            { class: "restart", key: "restart" },
            h(
              "p",
              null,
              state("warning", "Changed in the file, but only a restart takes these up:"),
            ),
            h(
              "ul",
              null,
              data.restart_needed_for.map((key) => h("li", { key }, h("code", null, name(key)))),
            ),
          ),
    ),
    section(
      "effective",
      "In force",
      "secrets are masked",
      h(
        "pre",
        {
          class: "toml",
          tabindex: "0",
          role: "region",
          "aria-label": "The configuration in force",
          key: "toml",
        },
        h("code", null, lines(data.toml)),
      ),
    ),
  ];
}
