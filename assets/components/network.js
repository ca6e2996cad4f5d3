// The network as a row of blocks that wraps like text: select, insert, move and remove layers by pointer or keyboard.
// data: {blocks, joins, parallel, selected, reveal, panel, text, still}; sends one trigger, action:
// {do: "select"|"open"|"insert"|"remove"|"move", index, to}. Parallel: the blocks are ways side by side, not a row.
// Still: the network is chosen from, not edited; a block may then carry marks, [word, value] each, below its name.

const INPUT = -1;

function element(tag, className, attributes = {}, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

// What is said of a block beyond what it is; its label says it too.
function marks(said) {
  const box = element("span", "marks", { "aria-hidden": "true" });
  for (const [word, value] of said) {
    const mark = element("span", "mark-of");
    if (word) mark.append(element("span", "word", {}, word));
    if (value) mark.append(element("span", "value", {}, value));
    box.append(mark);
  }
  return box;
}

function cell(block, data) {
  const selected = block.index === data.selected;
  const node = element("button", `cell ${block.state}`, {
    type: "button",
    "data-index": block.index,
    "aria-label": block.label,
    "aria-pressed": selected,
    tabindex: selected ? 0 : -1,
    title: block.label,
  });
  if (block.index !== INPUT && !data.still) node.draggable = true;
  const drawing = element("span", "drawing");
  drawing.innerHTML = block.svg; // numbers and class names only, made by cnnlab.figures.network
  node.append(drawing, element("span", "name", {}, block.name), element("span", "detail", {}, block.detail || "\u00a0"));
  if (data.still) node.append(marks(block.marks ?? []));
  if (block.state === "broken") node.append(element("span", "cross", { "aria-hidden": "true" }, "✕"));
  if (block.opens) node.append(element("span", "opens", { title: data.text.open, "aria-hidden": "true" }, "⤢"));
  return node;
}

// What a block adds by itself (a shortcut, a sum): seen, not edited.
function joint(join) {
  const node = element("span", "joint", { title: join.label });
  node.append(element("span", "name", {}, join.name), element("span", "detail", {}, join.shape || "?"));
  return node;
}

function edge(block, data) {
  const node = element("span", `edge ${block.changed ? "changed" : ""} ${block.state}`);
  const line = element("span", "line");
  line.append(element("span", "shape", {}, block.shape || "?"));
  line.append(element("span", "arrow", { "aria-hidden": "true" }));
  node.append(line);
  if (data.still) return node;
  const plus = element("button", "plus", {
    type: "button",
    "data-after": block.index,
    "aria-label": block.insert,
    title: block.insert,
    tabindex: -1,
  }, "+");
  line.append(plus);
  return node;
}

function draw(root, data) {
  const net = element("div", "net", { role: "group", "aria-label": data.text.label });
  for (const block of data.blocks) {
    const pair = element("span", "pair"); // a block never parts from the edge that leaves it
    pair.dataset.height = block.height;
    pair.append(cell(block, data), edge(block, data));
    net.append(pair);
  }
  if (data.parallel) net.classList.add("parallel");
  if (data.joins.length) {
    const joints = element("span", "joints", { role: "note", "aria-label": data.joins.map((join) => join.label).join("; ") });
    joints.append(...data.joins.map(joint));
    net.append(joints);
  }
  root.replaceChildren(net);
  if (!root.querySelector('.cell[tabindex="0"]')) root.querySelector(".cell").tabIndex = 0;
  return net;
}

// Blocks of one row share one height, that of the highest: a row of vectors takes little room.
function level(net) {
  const rows = new Map();
  for (const pair of net.querySelectorAll(".pair")) {
    const top = pair.offsetTop;
    if (!rows.has(top)) rows.set(top, []);
    rows.get(top).push(pair);
  }
  for (const pairs of rows.values()) {
    const highest = Math.max(46, ...pairs.map((pair) => Number(pair.dataset.height)));
    for (const pair of pairs) pair.style.setProperty("--height", `${highest}px`);
  }
}

const HEADER_PX = 64; // what Streamlit's own header covers

function scroll(node, block) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  node.scrollIntoView({ block, behavior: calm ? "auto" : "smooth" });
}

// A layer was added, or a network opened, perhaps by a button far below: let it be seen where it stands.
function comeIntoSight(root, reveal) {
  const before = root.dataset.reveal;
  root.dataset.reveal = reveal;
  if (before === undefined || before === String(reveal)) return;
  const cell = root.querySelector('.cell[aria-pressed="true"]') ?? root;
  const { top, bottom } = cell.getBoundingClientRect();
  if (top < HEADER_PX || bottom > innerHeight) scroll(cell, "center");
}

// On a phone the editor stands below the drawing: what was asked for must not open out of sight.
function showPanel(selector) {
  const panel = document.querySelector(selector);
  if (panel && panel.getBoundingClientRect().top > innerHeight * 0.7) scroll(panel, "start");
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".network-root");
  const hadFocus = root.contains(parentElement.activeElement ?? document.activeElement);
  const net = draw(root, data);
  const cells = [...net.querySelectorAll(".cell")];
  const last = data.blocks.length - 2; // index of the last layer
  const send = (change) => setTriggerValue("action", change);
  const indexOf = (node) => Number(node.dataset.index);
  const select = (hit) => {
    cells.forEach((node) => node.setAttribute("aria-pressed", node === hit)); // at once; the editor follows
    send({ do: "select", index: indexOf(hit) });
    showPanel(data.panel);
  };
  const insert = (index) => {
    send({ do: "insert", index });
    showPanel(data.panel);
  };
  level(net);
  const watch = new ResizeObserver(() => level(net));
  watch.observe(net);
  comeIntoSight(root, data.reveal);
  if (hadFocus) net.querySelector('.cell[tabindex="0"]').focus({ preventScroll: true });

  net.onclick = (event) => {
    const plus = event.target.closest(".plus");
    const hit = event.target.closest(".cell");
    if (plus) insert(Number(plus.dataset.after) + 1);
    else if (event.target.closest(".opens")) send({ do: "open", index: indexOf(hit) });
    else if (hit) select(hit);
  };
  net.ondblclick = (event) => {
    const hit = event.target.closest(".cell");
    if (hit?.querySelector(".opens")) send({ do: "open", index: indexOf(hit) });
  };

  net.onkeydown = (event) => {
    const hit = event.target.closest(".cell");
    if (!hit) return;
    const index = indexOf(hit);
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const jump = { Home: INPUT, End: last }[event.key];
    if (event.key === "ArrowDown" && event.ctrlKey) {
      if (hit.querySelector(".opens")) send({ do: "open", index });
    } else if (data.still && (event.altKey || !(step || jump !== undefined))) {
      return;
    } else if (event.altKey && step && index !== INPUT) {
      const to = index + step;
      if (to >= 0 && to <= last) send({ do: "move", index, to });
    } else if (step || jump !== undefined) {
      const to = Math.min(last, Math.max(INPUT, jump ?? index + step));
      cells.forEach((node) => (node.tabIndex = indexOf(node) === to ? 0 : -1));
      cells[to + 1].focus();
    } else if ((event.key === "Delete" || event.key === "Backspace") && index !== INPUT) {
      send({ do: "remove", index });
    } else if (event.key === "Insert" || event.key === "+") {
      insert(index + 1);
    } else return;
    event.preventDefault();
  };

  let dragged = null;
  net.ondragstart = (event) => {
    dragged = event.target.closest?.(".cell") ?? null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.index);
    dragged.classList.add("dragged");
  };
  const target = (event) => {
    const pair = event.target.closest?.(".pair");
    return dragged && pair ? pair.querySelector(".cell") : null;
  };
  net.ondragover = (event) => {
    const over = target(event);
    if (!over) return;
    event.preventDefault();
    net.querySelectorAll(".drop").forEach((node) => node.classList.remove("drop"));
    over.closest(".pair").classList.add("drop"); // it will stand right after this one
  };
  net.ondrop = (event) => {
    const over = target(event);
    if (!over) return;
    event.preventDefault();
    const from = indexOf(dragged);
    const after = indexOf(over);
    const to = after < from ? after + 1 : after;
    if (to !== from) send({ do: "move", index: from, to });
  };
  net.ondragend = () => {
    net.querySelectorAll(".drop, .dragged").forEach((node) => node.classList.remove("drop", "dragged"));
    dragged = null;
  };

  return () => { watch.disconnect(); net.onclick = net.ondblclick = net.onkeydown = net.ondragstart = net.ondragover = net.ondrop = net.ondragend = null; };
}
