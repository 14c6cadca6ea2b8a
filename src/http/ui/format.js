// Numbers, sizes and times as people read them. Three digits say enough and keep their width; the
// unit follows after a space that does not break.

import { h } from "./dom.js";

const SPACE = "\u00a0";
const NONE = "–";
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function digits(value) {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

// Scales by `step` to the first unit in which the value has at most three digits before the point.
function scale(value, step, units) {
  let scaled = value;
  let index = 0;
  while (Math.abs(scaled) >= step * 0.99995 && index < units.length - 1) {
    scaled /= step;
    index += 1;
  }
  return [scaled, units[index], index];
}

export function count(value) {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) < 10000) return grouped.format(value);
  const [scaled, unit] = scale(value, 1000, ["", "k", "M", "G", "T", "P"]);
  return digits(scaled) + SPACE + unit;
}

// All digits, where the difference of one matters.
export function exact(value) {
  return isNumber(value) ? grouped.format(value) : NONE;
}

// What a series holds: any number.
export function number(value) {
  if (!isNumber(value)) return value === null || value === undefined ? NONE : String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e12) return grouped.format(value);
  return String(Number(value.toPrecision(6)));
}

export function rate(value) {
  if (!isNumber(value)) return NONE;
  if (value === 0) return "0/s";
  if (value < 0.01) return "<0.01/s";
  const [scaled, unit, index] = scale(value, 1000, ["", "k", "M", "G", "T"]);
  return index === 0 ? `${digits(scaled)}/s` : `${digits(scaled)}${SPACE}${unit}/s`;
}

export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const [scaled, unit, index] = scale(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
  return (index === 0 ? scaled.toFixed(0) : digits(scaled)) + SPACE + unit;
}

export function byteRate(value) {
  return isNumber(value) ? `${bytes(value)}/s` : NONE;
}

export function percent(ratio) {
  if (!isNumber(ratio)) return NONE;
  if (ratio === 0) return `0${SPACE}%`;
  if (ratio < 0.0001) return `<0.01${SPACE}%`;
  return `${digits(ratio * 100)}${SPACE}%`;
}

// A duration in seconds.
export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds === 0) return `0${SPACE}s`;
  const size = Math.abs(seconds);
  if (size < 0.00099995) return digits(seconds * 1e6) + SPACE + "µs";
  if (size < 0.99995) return digits(seconds * 1e3) + SPACE + "ms";
  if (size < 99.95) return digits(seconds) + SPACE + "s";
  return age(seconds);
}

// A longer time in whole units, at most two of them.
export function age(seconds) {
  if (!isNumber(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}${SPACE}s`;
  const units = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => whole >= size);
  const [unit, size] = units[first];
  const [nextUnit, nextSize] = units[first + 1];
  const rest = Math.floor((whole % size) / nextSize);
  const head = `${Math.floor(whole / size)}${SPACE}${unit}`;
  return rest === 0 ? head : `${head} ${rest}${SPACE}${nextUnit}`;
}

// The server's clock may differ from the browser's by this.
let skewMs = 0;

export function setServerTime(nowMs) {
  skewMs = nowMs - Date.now();
}

export function secondsSince(timeMs) {
  return (Date.now() + skewMs - timeMs) / 1000;
}

const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function timeOfDay(timeMs) {
  return clockTime.format(timeMs);
}

// "12 s ago", with the exact time for those who point at it; "never" for null.
export function ago(timeMs) {
  if (!isNumber(timeMs) || timeMs <= 0) return "never";
  return h(
    "time",
    { datetime: new Date(timeMs).toISOString(), title: dateTime.format(timeMs) },
    `${age(secondsSince(timeMs))} ago`,
  );
}

export function moment(timeMs) {
  if (!isNumber(timeMs) || timeMs <= 0) return "never";
  return h("time", { datetime: new Date(timeMs).toISOString() }, dateTime.format(timeMs));
}
