// The drawn service graph: a picture that can be moved and enlarged by mouse, touch and keyboard.
// What it says stands in the tables as well, so it is hidden from screen readers.

import { draw, h } from "./dom.js";
import * as format from "./format.js";
import { plainName } from "./text.js";

const NODE_HEIGHT = 52;
const SMALLEST = 0.08;
const LARGEST = 3;
// Below this scale a node shows only its name, larger.
const FAR = 0.68;
// Text stays readable at the scale that a graph is first shown in.
const FIRST_SMALLEST = 0.42;
// Above this share of errors an edge or node is drawn in red.
const ERRORS_MATTER = 0.01;
const NAME_LENGTH = 24;
// Width of a character of the larger name.
const FAR_ADVANCE = 11.4;

// Wide enough for the name as it is shown from afar.
function widthOf(node) {
  return Math.max(
    150,
    plainName(node.id, NAME_LENGTH).length * FAR_ADVANCE + (node.kind === "service" ? 22 : 40),
  );
}

export class GraphCanvas {
  // `choose` is called with the id of a node that was pointed at, or null.
  constructor(choose) {
    this.choose = choose;
    this.element = null;
    this.worker = null;
    this.asked = 0; // id of the last question to the worker
    this.shape = ""; // what is laid out, or being so
    this.layout = null; // {width, height, nodes: Map id -> {x, y, width}, edges: Map key -> points}
    this.graph = { nodes: [], edges: [] };
    this.chosen = null;
    this.view = { x: 0, y: 0, scale: 1 };
    this.pointers = new Map();
    this.moved = false;
  }

  // Takes over an empty element.
  mount(element) {
    this.element = element;
    element.addEventListener("pointerdown", (event) => this.pointerDown(event));
    element.addEventListener("pointermove", (event) => this.pointerMove(event));
    for (const type of ["pointerup", "pointercancel"])
      element.addEventListener(type, (event) => this.pointerUp(event));
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.place()).observe(element);
    this.render();
  }

  // Shows a graph. Nodes only move when there are others than before.
  update(graph, chosen) {
    this.graph = graph;
    this.chosen = chosen;
    const shape = JSON.stringify([
      graph.nodes.map((node) => node.id).sort(),
      graph.edges.map((edge) => [edge.client, edge.server]).sort(),
    ]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.askForLayout();
    }
    this.render();
  }

  askForLayout() {
    const index = new Map(this.graph.nodes.map((node, place) => [node.id, place]));
    const keys = new Map();
    for (const edge of this.graph.edges) {
      if (index.has(edge.client) && index.has(edge.server)) {
        keys.set(JSON.stringify([edge.client, edge.server]), [
          index.get(edge.client),
          index.get(edge.server),
        ]);
      }
    }
    const nodes = this.graph.nodes.map((node) => ({
      id: node.id,
      width: widthOf(node),
      height: NODE_HEIGHT,
    }));
    const edges = [...keys.values()];
    this.asked += 1;
    const id = this.asked;
    if (this.worker !== null) this.worker.terminate();
    this.worker = new Worker("graph_worker.js");
    this.worker.onmessage = ({ data }) => {
      if (data.id !== this.asked) return;
      this.worker.terminate();
      this.worker = null;
      this.layout = {
        width: data.width,
        height: data.height,
        nodes: new Map(
          nodes.map((node, place) => [node.id, { ...data.nodes[place], width: node.width }]),
        ),
        edges: new Map([...keys.keys()].map((key, place) => [key, data.edges[place]])),
      };
      this.fit(FIRST_SMALLEST);
    };
    const view = {
      width: this.element?.clientWidth ?? 1200,
      height: this.element?.clientHeight ?? 600,
    };
    this.worker.postMessage({ id, view, nodes, edges });
  }

  // Shows as much as fits without going below a scale.
  fit(smallest = SMALLEST) {
    if (this.layout === null || this.element === null) return;
    const { clientWidth, clientHeight } = this.element;
    const { width, height } = this.layout;
    const scale = Math.min(
      1,
      Math.max(smallest, Math.min(clientWidth / width, clientHeight / height)),
    );
    const x = width * scale <= clientWidth ? (clientWidth - width * scale) / 2 : 0;
    // What is too high begins in its middle, where dagre puts what has most neighbours.
    const y = (clientHeight - height * scale) / 2;
    this.view = { x, y, scale };
    this.render();
  }

  zoom(factor, x = this.element.clientWidth / 2, y = this.element.clientHeight / 2) {
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.view.scale * factor));
    const change = scale / this.view.scale;
    this.view = { x: x - (x - this.view.x) * change, y: y - (y - this.view.y) * change, scale };
    this.place();
  }

  pan(x, y) {
    this.view = { ...this.view, x: this.view.x + x, y: this.view.y + y };
    this.place();
  }

  // Brings a node into the middle.
  center(id) {
    const node = this.layout?.nodes.get(id);
    if (node === undefined || this.element === null) return;
    const scale = Math.max(this.view.scale, FAR);
    this.view = {
      x: this.element.clientWidth / 2 - node.x * scale,
      y: this.element.clientHeight / 2 - node.y * scale,
      scale,
    };
    this.place();
  }

  // Moves what is drawn; keeps a part of it in sight.
  place() {
    const content = this.element?.querySelector(".graph-content");
    if (!content || this.layout === null) return;
    const { clientWidth, clientHeight } = this.element;
    const { width, height } = this.layout;
    const margin = 60;
    const { scale } = this.view;
    this.view.x = Math.min(clientWidth - margin, Math.max(margin - width * scale, this.view.x));
    this.view.y = Math.min(clientHeight - margin, Math.max(margin - height * scale, this.view.y));
    content.setAttribute(
      "transform",
      `translate(${this.view.x.toFixed(2)} ${this.view.y.toFixed(2)}) scale(${scale.toFixed(4)})`,
    );
    this.element.classList.toggle("far", scale < FAR);
  }

  render() {
    if (this.element === null) return;
    if (this.layout === null) {
      draw(this.element, [h("p", { class: "quiet graph-wait" }, "Laying out…")]);
      return;
    }
    const near = this.chosen === null ? null : this.neighbours(this.chosen);
    const edges = this.graph.edges.map((edge) => this.edge(edge, near));
    const nodes = this.graph.nodes.map((node) => this.node(node, near));
    draw(this.element, [
      h(
        "svg",
        { class: "graph-svg", "aria-hidden": "true", focusable: "false", key: "svg" },
        h(
          "defs",
          null,
          ["plain", "failing"].map((kind) =>
            h(
              "marker",
              {
                id: `arrow-${kind}`,
                key: kind,
                class: `arrow ${kind}`,
                viewBox: "0 0 10 10",
                refX: "9",
                refY: "5",
                markerWidth: "9",
                markerHeight: "9",
                markerUnits: "userSpaceOnUse",
                orient: "auto-start-reverse",
              },
              h("path", { d: "M0 0L10 5L0 10z" }),
            ),
          ),
        ),
        h(
          "g",
          { class: "graph-content" },
          h("g", { key: "edges" }, edges),
          h("g", { key: "nodes" }, nodes),
        ),
      ),
    ]);
    this.place();
  }

  neighbours(id) {
    const near = new Set([id]);
    for (const edge of this.graph.edges) {
      if (edge.client === id) near.add(edge.server);
      if (edge.server === id) near.add(edge.client);
    }
    return near;
  }

  edge(edge, near) {
    const points = this.layout.edges.get(JSON.stringify([edge.client, edge.server]));
    if (points === undefined) return null;
    const isFailing = edge.error_ratio > ERRORS_MATTER;
    const isDim = near !== null && edge.client !== this.chosen && edge.server !== this.chosen;
    // Ten times the rate is one step wider.
    const width = Math.min(5, Math.max(1, 1.6 + Math.log10(Math.max(edge.rate, 0.1)) * 0.8));
    return h("path", {
      key: JSON.stringify([edge.client, edge.server, edge.type]),
      class: `edge ${edge.type || "direct"}${isFailing ? " failing" : ""}${isDim ? " dim" : ""}`,
      d: curve(points),
      "stroke-width": width.toFixed(2),
      "marker-end": `url(#arrow-${isFailing ? "failing" : "plain"})`,
    });
  }

  node(node, near) {
    const place = this.layout.nodes.get(node.id);
    if (place === undefined) return null;
    const isFailing = node.error_ratio > ERRORS_MATTER;
    const isDim = near !== null && !near.has(node.id);
    const { width } = place;
    const classes = `node ${node.kind}${isFailing ? " failing" : ""}${isDim ? " dim" : ""}${node.id === this.chosen ? " chosen" : ""}`;
    return h(
      "g",
      {
        class: classes,
        key: node.id,
        "data-node": node.id,
        transform: `translate(${(place.x - width / 2).toFixed(1)} ${(place.y - NODE_HEIGHT / 2).toFixed(1)})`,
      },
      h("title", null, plainName(node.id, 300)),
      outline(node.kind, width),
      h("text", { class: "node-name near", x: width / 2, y: 21 }, plainName(node.id, NAME_LENGTH)),
      h("text", { class: "node-name far", x: width / 2, y: 33 }, plainName(node.id, NAME_LENGTH)),
      h(
        "text",
        { class: "node-figures", x: width / 2, y: 40 },
        `${format.rate(node.rate)}  `,
        h(
          "tspan",
          { class: isFailing ? "failing" : null },
          `${format.percent(node.error_ratio)} err`,
        ),
        node.p95_seconds === null ? "" : `  ${format.duration(node.p95_seconds)}`,
      ),
    );
  }

  pointerDown(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = false;
  }

  pointerMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = { x: event.clientX, y: event.clientY };
    if (!this.moved && Math.hypot(now.x - before.x, now.y - before.y) < 4) return;
    if (!this.moved) this.element.setPointerCapture(event.pointerId);
    this.moved = true;
    if (this.pointers.size === 1) {
      this.pan(now.x - before.x, now.y - before.y);
    } else {
      const [other] = [...this.pointers]
        .filter(([id]) => id !== event.pointerId)
        .map(([, point]) => point);
      const box = this.element.getBoundingClientRect();
      const apart = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
      this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      this.zoom(
        apart(now) / apart(before),
        (now.x + other.x) / 2 - box.left,
        (now.y + other.y) / 2 - box.top,
      );
    }
    this.pointers.set(event.pointerId, now);
  }

  pointerUp(event) {
    this.pointers.delete(event.pointerId);
  }

  // The wheel scrolls the page until somebody has clicked into the picture, or holds Ctrl.
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== this.element) return;
    event.preventDefault();
    const box = this.element.getBoundingClientRect();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.zoom(
      Math.exp(-event.deltaY * lines * 0.002),
      event.clientX - box.left,
      event.clientY - box.top,
    );
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 200 : 60;
    const actions = {
      ArrowLeft: () => this.pan(step, 0),
      ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step),
      ArrowDown: () => this.pan(0, -step),
      "+": () => this.zoom(1.3),
      "=": () => this.zoom(1.3),
      "-": () => this.zoom(1 / 1.3),
      0: () => this.fit(),
      Escape: () => this.choose(null),
    };
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : undefined;
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  click(event) {
    if (this.moved) return;
    this.element.focus({ preventScroll: true });
    this.choose(event.target.closest("[data-node]")?.getAttribute("data-node") ?? null);
  }
}

// A smooth line through the points; between only two of them it leaves and arrives level.
function curve(points) {
  const at = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const [first] = points;
  const last = points[points.length - 1];
  if (points.length === 2) {
    const reach = Math.max(30, Math.abs(last.x - first.x) * 0.45) * (last.x >= first.x ? 1 : -1);
    return `M${at(first.x, first.y)}C${at(first.x + reach, first.y)} ${at(last.x - reach, last.y)} ${at(last.x, last.y)}`;
  }
  let path = `M${at(first.x, first.y)}`;
  for (let i = 1; i < points.length - 1; ++i) {
    const [here, next] = [points[i], points[i + 1]];
    const end = next === last ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    path += `Q${at(here.x, here.y)} ${at(end.x, end.y)}`;
  }
  return path;
}

// Kinds differ in shape, so that colour is not needed to tell them.
export function outline(kind, width, height = NODE_HEIGHT) {
  const shape = { class: "outline" };
  if (kind === "database") {
    const bow = 6;
    return h("path", {
      ...shape,
      d:
        `M0 ${bow}A${width / 2} ${bow} 0 0 1 ${width} ${bow}V${height - bow}A${width / 2} ${bow} 0 0 1 0 ${height - bow}Z` +
        `M0 ${bow}A${width / 2} ${bow} 0 0 0 ${width} ${bow}`,
    });
  }
  if (kind === "messaging") {
    const slant = height / 4;
    return h("path", { ...shape, d: `M${slant} 0H${width}L${width - slant} ${height}H0Z` });
  }
  if (kind === "virtual") {
    const tip = height / 4;
    return h("path", {
      ...shape,
      d: `M${tip} 0H${width - tip}L${width} ${height / 2}L${width - tip} ${height}H${tip}L0 ${height / 2}Z`,
    });
  }
  return h("rect", { ...shape, x: "0", y: "0", width, height, rx: "7" });
}
