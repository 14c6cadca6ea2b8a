// Asks the API. Every failure becomes an ApiError that says what happened.

import { setServerTime } from "./format.js";

const TIMEOUT_MS = 20000;

// status is 0 when no answer came.
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

// The answer to GET /api/v1/PATH as an object. The parts of the path are encoded here; parameters
// that are null or undefined are left out.
export async function ask(parts, parameters, signal) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters ?? {})) {
    if (value !== null && value !== undefined) query.set(key, value);
  }
  const path = `api/v1/${parts.map(encodeURIComponent).join("/")}`;
  const url = query.size === 0 ? path : `${path}?${query}`;

  const control = new AbortController();
  const abort = () => control.abort(signal.reason);
  signal?.addEventListener("abort", abort);
  const timer = setTimeout(() => control.abort(new Error("no answer in time")), TIMEOUT_MS);
  try {
    return await answerTo(url, control.signal);
  } catch (error) {
    if (signal?.aborted || error instanceof ApiError) throw error;
    throw new ApiError(
      0,
      control.signal.aborted
        ? `no answer within ${TIMEOUT_MS / 1000} s`
        : "the server cannot be reached",
    );
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function answerTo(url, signal) {
  const response = await fetch(url, {
    signal,
    cache: "no-store",
    credentials: "same-origin",
    headers: { Accept: "application/json" },
  });
  const text = await response.text();
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Below; errors need not be JSON.
  }
  if (!response.ok) {
    const message = answer?.error?.message ?? (text.length < 500 ? text.trim() : "");
    throw new ApiError(response.status, message === "" ? response.statusText : message);
  }
  if (answer === null || typeof answer !== "object") {
    throw new ApiError(response.status, "the answer is no JSON");
  }
  if (typeof answer.now_ms === "number") setServerTime(answer.now_ms);
  return answer;
}
