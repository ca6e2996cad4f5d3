// All kernels of a convolution as a sheet in a box of its own: a column for each filter, a row for each input channel,
// cells large enough to point at or to tap; the kernel that was pointed at stands below with its numbers.
// data: {layer, shape, filters, firsts, weights, limit, signed, text}, see figures/filters.py. Nothing goes to the server.

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);
const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
const level = (value, limit) => Math.round(127.5 * (1 + Math.min(1, Math.max(-1, value / limit)))) || 0;

export function number(value, digits = 4) {
  if (!Number.isFinite(value)) return "–"; // JSON has no NaN: null stands for it
  const size = Math.abs(value);
  let text = String(Number(value.toPrecision(digits)));
  if (size >= 1e5) text = value.toExponential(2);
  else if (size > 0 && size < 1e-4) text = value.toExponential(1);
  return text.replaceAll("-", "\u2212");
}

function element(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

const FINGER = 24; // pixels of a cell that a finger finds
const POINTER = 10;
const LARGEST = 30;

// How many pixels a weight is wide: so that all columns fit into the room if they can be told apart then, else more.
export function zoomFor(room, columns, kernel, coarse) {
  const least = Math.ceil((coarse ? FINGER : POINTER) / kernel);
  const most = Math.max(least, Math.floor(LARGEST / kernel));
  return Math.min(most, Math.max(least, Math.floor(room / (columns * kernel))));
}

// Which [column, row] lies at a place in the sheet; the nearest where it lies outside.
export function cellAt(x, y, [wide, high], [columns, rows]) {
  const inside = (place, size, count) => Math.min(count - 1, Math.max(0, Math.floor(place / size)));
  return [inside(x, wide, columns), inside(y, high, rows)];
}

// The weights of one kernel, out of (columns, rows, height, width).
export function kernelAt(weights, [, rows, height, width], column, row) {
  const size = height * width;
  const first = (column * rows + row) * size;
  return weights.subarray(first, first + size);
}

// The sheet's pixels as RGBA, one for each weight.
export function pixels(weights, [columns, rows, height, width], limit, table) {
  const made = new Uint8ClampedArray(4 * columns * rows * height * width);
  let from = 0;
  for (let column = 0; column < columns; column++)
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++) {
          const to = 4 * ((row * height + i) * columns * width + column * width + j);
          const colour = 3 * level(weights[from++], limit);
          made[to] = table[colour];
          made[to + 1] = table[colour + 1];
          made[to + 2] = table[colour + 2];
          made[to + 3] = 255;
        }
  return made;
}

function build(root, text) {
  const lab = { root, at: [0, 0] };
  lab.scroll = element("div", "scroll");
  lab.board = element("div", "board");
  lab.corner = element("div", "corner", { "aria-hidden": "true" });
  lab.top = element("div", "top", { "aria-hidden": "true" });
  lab.left = element("div", "left", { "aria-hidden": "true" });
  lab.holder = element("div", "holder");
  lab.sheet = element("canvas", "sheet", { tabindex: 0, role: "img" });
  lab.lines = element("div", "lines");
  lab.mark = element("div", "mark");
  lab.holder.append(lab.sheet, lab.lines, lab.mark);
  lab.board.append(lab.corner, lab.top, lab.left, lab.holder);
  lab.scroll.append(lab.board);
  lab.below = element("div", "below");
  lab.numbers = element("div", "numbers", { "aria-hidden": "true" });
  lab.said = element("p", "said", { "aria-live": "polite" });
  lab.below.append(lab.numbers, lab.said);
  root.replaceChildren(lab.scroll, lab.below);
  new ResizeObserver(() => lab.data && layOut(lab)).observe(root);
  return lab;
}

function heads(node, names, size, text) {
  const every = Math.max(1, Math.ceil(24 / size)); // so that neighbours do not run into each other
  node.replaceChildren(
    ...names.map((name, place) => {
      const head = element("span", "", {}, place % every ? "" : String(name));
      head.style[text] = `${size}px`;
      return head;
    }),
  );
}

function draw(lab) {
  const { data } = lab;
  const [columns, rows, height, width] = data.shape;
  lab.weights = floats(data.weights);
  lab.table = bytes(data.signed);
  lab.sheet.width = columns * width;
  lab.sheet.height = rows * height;
  const made = pixels(lab.weights, data.shape, data.limit, lab.table);
  lab.sheet.getContext("2d").putImageData(new ImageData(made, columns * width, rows * height), 0, 0);
}

function layOut(lab) {
  const [columns, rows, height, width] = lab.data.shape;
  const coarse = matchMedia("(pointer: coarse)").matches;
  const zoom = zoomFor(lab.root.clientWidth - 36, columns, width, coarse);
  lab.cell = [zoom * width, zoom * height];
  lab.sheet.style.width = `${columns * lab.cell[0]}px`;
  lab.sheet.style.height = `${rows * lab.cell[1]}px`;
  lab.lines.style.backgroundSize = `${lab.cell[0]}px ${lab.cell[1]}px`;
  heads(lab.top, lab.data.filters, lab.cell[0], "width");
  const same = lab.data.firsts.every((first) => first === 0); // else each filter sees channels of its own
  heads(lab.left, Array.from({ length: rows }, (_none, row) => (same ? row : `+${row}`)), lab.cell[1], "height");
  point(lab, ...lab.at);
}

function point(lab, column, row) {
  const { data } = lab;
  const [columns, rows, height, width] = data.shape;
  lab.at = [Math.min(columns - 1, Math.max(0, column)), Math.min(rows - 1, Math.max(0, row))];
  const [x, y] = lab.at;
  const [wide, high] = lab.cell;
  Object.assign(lab.mark.style, { left: `${x * wide}px`, top: `${y * high}px`, width: `${wide}px`, height: `${high}px` });
  const kernel = kernelAt(lab.weights, data.shape, x, y);
  lab.numbers.style.gridTemplateColumns = `repeat(${width}, auto)`;
  lab.numbers.replaceChildren(
    ...Array.from(kernel, (weight) => {
      const colour = 3 * level(weight, data.limit);
      const [red, green, blue] = lab.table.subarray(colour, colour + 3);
      const cell = element("span", "", {}, number(weight, 3));
      cell.style.background = `rgb(${red} ${green} ${blue})`;
      cell.style.color = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#101418" : "#fff";
      return cell;
    }),
  );
  const norm = Math.sqrt(kernel.reduce((sum, weight) => sum + weight * weight, 0));
  const [unit, channel] = [data.filters[x], data.firsts[x] + y];
  lab.said.replaceChildren(
    element("b", "", {}, `${data.layer}.weight[${unit},${channel - data.firsts[x]}]`),
    element("span", "", {}, fill(data.text.kernel, { unit, channel, norm: number(norm, 3) })),
  );
}

function bringIntoSight(lab) {
  const [x, y] = lab.at;
  const [wide, high] = lab.cell;
  const [left, top] = [lab.left.offsetWidth, lab.top.offsetHeight];
  const box = lab.scroll;
  const within = (now, from, to, room) => (from < now ? from : to > now + room ? to - room : now);
  box.scrollLeft = within(box.scrollLeft, x * wide, (x + 1) * wide, box.clientWidth - left);
  box.scrollTop = within(box.scrollTop, y * high, (y + 1) * high, box.clientHeight - top);
}

function listen(lab) {
  const follow = (event) => {
    const place = lab.sheet.getBoundingClientRect();
    const at = cellAt(event.clientX - place.left, event.clientY - place.top, lab.cell, lab.data.shape);
    if (at[0] !== lab.at[0] || at[1] !== lab.at[1]) point(lab, ...at);
  };
  lab.sheet.onpointermove = (event) => event.pointerType !== "touch" && follow(event); // a finger that moves scrolls
  lab.sheet.onclick = follow;
  lab.sheet.onkeydown = (event) => {
    const [x, y] = lab.at;
    const to = {
      ArrowLeft: [x - 1, y], ArrowRight: [x + 1, y], ArrowUp: [x, y - 1], ArrowDown: [x, y + 1],
      Home: [0, y], End: [lab.data.shape[0] - 1, y],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    point(lab, ...to);
    bringIntoSight(lab);
  };
}

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".kernels-root");
  const lab = (root.lab ??= build(root, data.text));
  const drawn = [data.layer, data.weights, data.signed].join("|");
  const other = lab.data?.layer !== data.layer;
  lab.data = data;
  lab.sheet.setAttribute("aria-label", data.text.sheet);
  if (lab.drawn !== drawn) draw(lab);
  lab.drawn = drawn;
  if (other) lab.at = [0, 0];
  layOut(lab);
  listen(lab);
}
