// Shows names that came with spans. They may be anything: controls, marks that turn the direction of
// writing, two kilobytes without a space.

import { h } from "./dom.js";

// What has no look of its own, or the look of a plain space.
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\uffa0]|[^\S ]/gu;
const JOINER = "\u200d";
// Not one class: some versions of Chromium do not find characters beyond U+FFFF by a class at the end.
const BEFORE_JOINER = /(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)$/u;
const AFTER_JOINER = /^\p{Extended_Pictographic}/u;
const NAMED = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);
const SHOWN_LENGTH = 80;

function escapeOf(character) {
  const named = NAMED.get(character);
  if (named !== undefined) return named;
  const hex = character.codePointAt(0).toString(16).toUpperCase();
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
}

// Calls `plain` and `escaped` with the parts of the text in order.
function split(text, plain, escaped) {
  let end = 0;
  for (const match of text.matchAll(UNSEEN)) {
    const after = match.index + match[0].length;
    // The joiner belongs to a picture such as that of a family.
    if (
      match[0] === JOINER &&
      BEFORE_JOINER.test(text.slice(0, match.index)) &&
      AFTER_JOINER.test(text.slice(after))
    ) {
      continue;
    }
    if (match.index > end) plain(text.slice(end, match.index));
    escaped(escapeOf(match[0]));
    end = after;
  }
  if (end < text.length) plain(text.slice(end));
}

function parts(text) {
  const list = [];
  split(
    text,
    (part) => list.push(part),
    (part) => list.push(h("span", { class: "escape" }, part)),
  );
  return list;
}

// The beginning of the text, in whole characters; the text itself when it is not much longer.
function cut(text, length) {
  if (text.length <= length * 1.25) return text;
  return Array.from(text.slice(0, length * 2))
    .slice(0, length)
    .join("");
}

// One line of plain text, for places that take no elements.
export function plainName(text, length = SHOWN_LENGTH) {
  const begin = cut(text, length);
  let line = "";
  const add = (part) => {
    line += part;
  };
  split(begin, add, add);
  if (line.length > length * 1.25) line = cut(line, length) + "…";
  else if (begin !== text) line += "…";
  return line === "" ? "(empty)" : line;
}

// The name as an element. A long one is cut; it opens by mouse or keyboard.
export function name(text, length = SHOWN_LENGTH) {
  if (text === "") return h("span", { class: "quiet" }, "(empty)");
  const begin = cut(text, length);
  if (begin === text) return h("bdi", { class: "name" }, parts(text));
  return h(
    "details",
    { class: "long" },
    h(
      "summary",
      null,
      h("bdi", { class: "name" }, parts(begin)),
      "… ",
      h("span", { class: "quiet" }, `${text.length} characters`),
    ),
    h("bdi", { class: "name whole" }, parts(text)),
  );
}

// Text of which only the lines matter, such as a configuration.
export function lines(text) {
  const list = [];
  text.split("\n").forEach((line, index) => {
    if (index > 0) list.push("\n");
    list.push(...parts(line));
  });
  return list;
}
