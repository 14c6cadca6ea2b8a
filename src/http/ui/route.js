// Where in the page somebody is: #/PAGE/PART...?KEY=VALUE, so that it can be linked to and the
// browser's history works. And how anything asks for the page to be drawn again.

export function currentRoute() {
  const hash = location.hash.startsWith("#/") ? location.hash.slice(2) : "overview";
  const [path, query = ""] = hash.split(/\?(.*)/s);
  const [page, ...rest] = path.split("/").map(decode);
  return {
    page: page === "" ? "overview" : page,
    part: rest[0] ?? "",
    query: new URLSearchParams(query),
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// A link; parameters that are null or undefined are left out.
export function linkTo(page, part, parameters) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters ?? {})) {
    if (value !== null && value !== undefined) query.set(key, value);
  }
  const path = part ? `${page}/${encodeURIComponent(part)}` : page;
  return query.size === 0 ? `#/${path}` : `#/${path}?${query}`;
}

// Changes some parameters of where we are, without a step in the history; null takes one away.
export function adjust(parameters) {
  const { page, part, query } = currentRoute();
  for (const [key, value] of Object.entries(parameters)) {
    if (value === null || value === undefined) query.delete(key);
    else query.set(key, value);
  }
  history.replaceState(null, "", linkTo(page, part, Object.fromEntries(query)));
  document.dispatchEvent(new Event("spanmeter:adjusted"));
}

// Draws again what is known; asks the server nothing.
export function redraw() {
  document.dispatchEvent(new Event("spanmeter:redraw"));
}

// Says something to those who listen to the page; used sparingly.
export function announce(text) {
  document.getElementById("live").textContent = text;
}
