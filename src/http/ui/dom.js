// Elements as plain descriptions, and the document brought in line with them. What stays the same is
// not touched, so focus, selection, scroll positions and opened details outlive an update.
//
// Data can only become text nodes and the values of harmless attributes: there is no way to markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";
// Places inside of the page, and files of this server.
const SAFE_LINK = /^(#\/|metrics(\/|$)|-\/|third-party\.txt$)/;

// A description. `props` are attributes, and:
//   key      tells the element from its siblings, also when they are reordered
//   on       {type: listener}
//   value, checked   the state of a field; only set when the description of it changes, so that
//            an update does not undo what somebody is typing
//   mount    called once with the new element, which then looks after its content itself
export function h(tag, props, ...children) {
  return {
    tag,
    props: props ?? {},
    children: children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false),
  };
}

const childrenOf = new WeakMap(); // element -> Map of identity -> node
const propsOf = new WeakMap(); // element -> props as last described

// Gives `parent` exactly these children.
export function draw(parent, children) {
  const focused = document.activeElement;
  patchChildren(
    parent,
    children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
  // An element that had to be moved has lost the focus by that.
  if (focused !== null && focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

// What a description is recognised by in the next one: its key, or its place among its kind.
function identify(child, seen) {
  let base = "#text";
  if (typeof child === "object") {
    const { key } = child.props;
    base = key === undefined ? child.tag : `${child.tag} ${key}`;
  }
  const count = seen.get(base) ?? 0;
  seen.set(base, count + 1);
  return count === 0 ? base : `${base}\u0000${count}`;
}

function patchChildren(parent, children) {
  const old = childrenOf.get(parent) ?? new Map();
  const next = new Map();
  const seen = new Map();
  for (const child of children) {
    const id = identify(child, seen);
    next.set(id, old.get(id) ?? create(parent, child));
  }
  // Children that are gone leave first: then nothing that stays in order is ever moved.
  for (const [id, node] of old) {
    if (!next.has(id)) node.remove();
  }
  if (old.size === 0) parent.textContent = "";
  let cursor = parent.firstChild;
  let index = 0;
  for (const node of next.values()) {
    if (node === cursor) {
      cursor = cursor.nextSibling;
    } else {
      parent.insertBefore(node, cursor);
    }
    patch(node, children[index]);
    index += 1;
  }
  childrenOf.set(parent, next);
}

function create(parent, child) {
  if (typeof child !== "object") return document.createTextNode("");
  const isSvg = child.tag === "svg" || parent.namespaceURI === SVG_NAMESPACE;
  return isSvg
    ? document.createElementNS(SVG_NAMESPACE, child.tag)
    : document.createElement(child.tag);
}

function patch(node, child) {
  if (typeof child !== "object") {
    const text = String(child);
    if (node.nodeValue !== text) node.nodeValue = text;
    return;
  }
  const before = propsOf.get(node);
  const isNew = before === undefined;
  patchAttributes(node, before ?? {}, child.props);
  propsOf.set(node, child.props);
  if (child.props.mount !== undefined) {
    if (isNew) child.props.mount(node);
  } else {
    patchChildren(node, child.children);
  }
  // Last, because a select needs its options first.
  for (const name of ["value", "checked"]) {
    if (name in child.props && (isNew || before[name] !== child.props[name])) {
      node[name] = child.props[name];
    }
  }
}

const NOT_ATTRIBUTES = new Set(["key", "on", "value", "checked", "mount"]);

function patchAttributes(node, before, after) {
  for (const name of Object.keys(before)) {
    if (!(name in after) && !NOT_ATTRIBUTES.has(name)) node.removeAttribute(name);
  }
  if (before.on !== undefined && after.on === undefined) listen(node, {});
  for (const [name, value] of Object.entries(after)) {
    if (name === "on") {
      listen(node, value);
    } else if (name === "value" && node.tagName === "OPTION") {
      node.setAttribute(name, value);
    } else if (!NOT_ATTRIBUTES.has(name) && before[name] !== value) {
      setAttribute(node, name, value);
    }
  }
}

function setAttribute(node, name, value) {
  if (name === "style" || name.startsWith("on") || name === "src" || name === "srcdoc") {
    throw new Error(`cannot set the attribute ${name}: it could run or load something`);
  }
  if (name === "href" && !SAFE_LINK.test(value)) throw new Error("cannot link to another place");
  if (value === false || value === null || value === undefined) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

const listenersOf = new WeakMap(); // element -> {types: Set, listeners: {type: listener}}

// One listener for each type is there for good and calls the one described last.
function listen(node, listeners) {
  let state = listenersOf.get(node);
  if (state === undefined) {
    state = { types: new Set(), listeners };
    listenersOf.set(node, state);
  }
  state.listeners = listeners;
  for (const type of Object.keys(listeners)) {
    if (state.types.has(type)) continue;
    state.types.add(type);
    node.addEventListener(type, (event) => state.listeners[type]?.(event));
  }
}
