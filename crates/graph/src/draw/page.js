"use strict";
// The steps stand in the page as a list; this shows one at a time and uncovers
// the numbers that it has reached. Every number was computed before.
(() => {
  const steps = [...document.querySelectorAll("#steps > li")];
  const last = steps.length - 1;
  const panel = document.getElementById("panel");
  const byId = (id) => document.getElementById(id);
  const figure = document.querySelector("figure");
  const edges = [...document.querySelectorAll(".cr-edge")];
  const nodes = new Map([...document.querySelectorAll(".cr-node")].map((n) => [n.dataset.node, n]));

  // When each node's value is known, and when it has sent its gradients back.
  const forward = new Map(), backward = new Map();
  steps.forEach((step, i) => {
    const { phase, node } = step.dataset;
    if (phase === "forward") forward.set(node, i);
    if (phase === "backward") backward.set(node, i);
  });
  const known = (node) => forward.get(node) ?? 0;
  // A node's gradient is whole when the last of its readers has sent its part.
  const whole = (node) =>
    Math.max(...edges.filter((e) => e.dataset.from === node).map((e) => backward.get(e.dataset.to)));
  const sums = [...nodes].filter(([, n]) => n.querySelector(".cr-sum"))
    .map(([name, n]) => [n.querySelector(".cr-sum"), whole(name)]);

  let at = 0;
  const show = (wanted) => {
    at = Math.min(Math.max(wanted, 0), last);
    const { phase, node } = steps[at].dataset;
    for (const edge of edges) {
      const { from, to } = edge.dataset;
      edge.querySelector(".cr-value").classList.toggle("cr-hidden", at < known(from));
      edge.querySelector(".cr-gradient").classList.toggle("cr-hidden", at < backward.get(to));
      const active = (phase === "forward" && (from === node || to === node)) ||
        (phase === "backward" && (to === node || from === node));
      edge.classList.toggle("cr-active", active);
    }
    for (const [sum, step] of sums) sum.classList.toggle("cr-hidden", at < step);
    for (const [name, element] of nodes) element.classList.toggle("cr-current", name === node);
    panel.replaceChildren(...[...steps[at].childNodes].map((child) => child.cloneNode(true)));
    panel.dataset.phase = phase;
    byId("place").textContent = `Step ${at + 1} of ${steps.length}`;
    byId("progress").value = at;
    byId("first").disabled = byId("back").disabled = at === 0;
    byId("next").disabled = byId("last").disabled = at === last;
    const current = nodes.get(node);
    if (current) {
      const box = current.getBoundingClientRect(), frame = figure.getBoundingClientRect();
      figure.scrollLeft += (box.left + box.right) / 2 - (frame.left + frame.right) / 2;
    }
    try { history.replaceState(null, "", `#${at + 1}`); } catch { /* a page without an address */ }
  };
  const moves = {
    first: () => 0, back: () => at - 1, next: () => at + 1, last: () => last,
  };
  for (const [id, move] of Object.entries(moves)) byId(id).addEventListener("click", () => show(move()));
  const keys = { Home: "first", ArrowLeft: "back", ArrowRight: "next", End: "last" };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const move = moves[keys[event.key]];
    if (!move) return;
    event.preventDefault();
    show(move());
  });
  byId("progress").max = last;
  byId("stepper").hidden = false;
  byId("all").open = false;
  addEventListener("beforeprint", () => { byId("all").open = true; });
  show((parseInt(location.hash.slice(1), 10) || 1) - 1);
})();
