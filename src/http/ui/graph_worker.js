// Lays a graph out in layers with dagre, away from the page, which stays responsive.
//
// Takes {id, nodes: [{id, width, height}], edges: [[from, to]]} and answers {id, width, height,
// nodes: [{x, y}], edges: [[{x, y}, ...]]} in the order of the question.

importScripts("dagre.min.js");

/* global dagre */
onmessage = ({ data }) => {
  const graph = new dagre.graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 90, edgesep: 8, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  // Indexes instead of names: no name can mean anything to the library.
  data.nodes.forEach((node, index) =>
    graph.setNode(String(index), { width: node.width, height: node.height }),
  );
  for (const [from, to] of data.edges) graph.setEdge(String(from), String(to));
  dagre.layout(graph);
  const size = graph.graph();
  postMessage({
    id: data.id,
    width: size.width,
    height: size.height,
    nodes: data.nodes.map((node, index) => {
      const { x, y } = graph.node(String(index));
      return { x, y };
    }),
    edges: data.edges.map(([from, to]) => graph.edge(String(from), String(to)).points),
  });
};
