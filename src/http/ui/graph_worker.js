// Lays a graph out in layers with dagre, away from the page, which stays responsive.
//
// Takes {id, view: {width, height}, nodes: [{width, height}], edges: [[from, to]]} and answers
// {id, width, height, nodes: [{x, y}], edges: [[{x, y}, ...]]} in the order of the question. An edge
// of only two points has no particular way.

importScripts("dagre.min.js");

/* global dagre */

const MARGIN = 16;
const ROW_GAP = 18;
const LAYER_GAP = 90;
// Between the columns of one layer.
const COLUMN_GAP = 34;
// Below this scale names are hard to read.
const READABLE = 0.6;

onmessage = ({ data }) => {
  const layered = layers(data);
  const packed = scaleOf(layered, data.view) < READABLE ? pack(data, layered) : null;
  const isBetter =
    packed !== null && scaleOf(packed, data.view) > 1.25 * scaleOf(layered, data.view);
  postMessage({ id: data.id, ...(isBetter ? packed : layered) });
};

function scaleOf({ width, height }, view) {
  return Math.min(view.width / width, view.height / height);
}

function layers({ nodes, edges }) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({
    rankdir: "LR",
    nodesep: ROW_GAP,
    ranksep: LAYER_GAP,
    edgesep: 8,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  // Indexes instead of names: no name can mean anything to the library.
  nodes.forEach(({ width, height }, index) => graph.setNode(String(index), { width, height }));
  for (const [from, to] of edges) graph.setEdge(String(from), String(to));
  dagre.layout(graph);
  const { width, height } = graph.graph();
  return {
    width,
    height,
    nodes: nodes.map((_, index) => {
      const { x, y } = graph.node(String(index));
      return { x, y };
    }),
    edges: edges.map(([from, to]) => graph.edge(String(from), String(to)).points),
  };
}

// Large graphs have layers that are far higher than any screen. Each is broken into columns here,
// as many as make the whole fit best; the order from top to bottom stays.
function pack({ nodes, edges, view }, layered) {
  const byLayer = new Map();
  layered.nodes.forEach(({ x }, index) => {
    const layer = Math.round(x);
    if (!byLayer.has(layer)) byLayer.set(layer, []);
    byLayer.get(layer).push(index);
  });
  const ordered = [...byLayer].sort((a, b) => a[0] - b[0]).map(([, members]) => members);
  for (const members of ordered) {
    members.sort((a, b) => layered.nodes[a].y - layered.nodes[b].y);
  }
  const highest = Math.max(...ordered.map((members) => members.length));
  let best = null;
  for (let rows = 1; rows <= highest; ++rows) {
    const candidate = arrange(nodes, ordered, rows);
    if (best === null || scaleOf(candidate, view) > scaleOf(best, view)) best = candidate;
  }
  return { ...best, edges: edges.map(([from, to]) => ends(best.nodes, nodes, from, to)) };
}

function arrange(nodes, ordered, rows) {
  const rowHeight = nodes[0].height + ROW_GAP;
  const most = Math.min(rows, Math.max(...ordered.map((members) => members.length)));
  const height = 2 * MARGIN + most * rowHeight - ROW_GAP;
  const places = new Array(nodes.length);
  let x = MARGIN;
  for (const members of ordered) {
    const columns = Math.ceil(members.length / rows);
    const used = Math.ceil(members.length / columns);
    const top = (height - (used * rowHeight - ROW_GAP)) / 2;
    for (let column = 0; column < columns; ++column) {
      const inColumn = members.filter((_, place) => place % columns === column);
      const width = Math.max(...inColumn.map((index) => nodes[index].width));
      inColumn.forEach((index, row) => {
        // Every other column stands half a row lower, which leaves gaps for the edges.
        const shift = columns > 1 && column % 2 === 1 ? rowHeight / 4 : 0;
        const y = top + row * rowHeight + nodes[index].height / 2 + shift;
        places[index] = { x: x + width / 2, y };
      });
      x += width + (column + 1 < columns ? COLUMN_GAP : LAYER_GAP);
    }
  }
  return { width: x - LAYER_GAP + MARGIN, height: height + rowHeight / 4, nodes: places };
}

// From the side of one node to the facing side of the other.
function ends(places, nodes, from, to) {
  const side = places[to].x >= places[from].x ? 1 : -1;
  return [
    { x: places[from].x + (side * nodes[from].width) / 2, y: places[from].y },
    { x: places[to].x - (side * nodes[to].width) / 2, y: places[to].y },
  ];
}
