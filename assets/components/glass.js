// One or two convolutions under the glass: the window slides over what arrives, and the number it makes is taken apart
// into its products. Pointing, stepping and playing are answered here; only a typed kernel goes to the server.
// data: {stages: [{name, kind, layer, hidden, window, kernel, bias, reflect, slope, shape, values, mode, low, high, size}],
//        tables, asked, titles, planes, paintable, answered, text}, see figures/glass.py
// sends: setTriggerValue("typed", {layer, kernel: [[weights of plane 0], ...]}),
//        setTriggerValue("painted", {n, side, ink: base64 of side x side bytes}) after a stroke on the input

// ---------------------------------------------------------------- arithmetic, the same as in insight/glass/chain.py
// Which of `size` pixels stands at `position` of a line with a rim; null on a rim of zeros.
export function place(position, size, reflect) {
  if (position >= 0 && position < size) return position;
  if (!reflect) return null;
  return position < 0 ? -position : 2 * (size - 1) - position;
}

// The products that make one number of a convolution: [{at: [c, y, x] | null, tap: [c, i, j], value, factor, product}].
export function termsAt(before, stage, row, col) {
  const [size, stride, padding, dilation] = stage.window;
  const [, height, width] = before.shape;
  const terms = [];
  stage.kernel.forEach((plane, channel) => {
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        const y = place(row * stride - padding + i * dilation, height, stage.reflect);
        const x = place(col * stride - padding + j * dilation, width, stage.reflect);
        const at = y === null || x === null ? null : [channel, y, x];
        const value = at ? before.numbers[(channel * height + y) * width + x] : 0;
        const factor = plane[i * size + j];
        terms.push({ at, tap: [channel, i, j], value, factor, product: value * factor });
      }
  });
  return terms;
}

export const totalOf = (terms, bias) => terms.reduce((sum, term) => sum + term.product, 0) + bias;

// Every output that the number at (row, col) of what arrived reaches: [{row, col, factor}], factors of one output added.
export function usesOf(before, stage, channel, row, col) {
  const [size, stride, padding, dilation] = stage.window;
  const taps = (pixel, length, outputs) => {
    const found = [];
    for (let output = 0; output < outputs; output++)
      for (let tap = 0; tap < size; tap++)
        if (place(output * stride - padding + tap * dilation, length, stage.reflect) === pixel) found.push([output, tap]);
    return found;
  };
  const across = taps(col, before.shape[2], stage.shape[2]);
  const found = new Map();
  for (const [r, i] of taps(row, before.shape[1], stage.shape[1]))
    for (const [c, j] of across) {
      const factor = stage.kernel ? stage.kernel[channel][i * size + j] : 1;
      const key = r * stage.shape[2] + c;
      found.set(key, { row: r, col: c, factor: (found.get(key)?.factor ?? 0) + factor });
    }
  return [...found.keys()].sort((a, b) => a - b).map((key) => found.get(key));
}

// A weight as people type it: 2, -0.5, 1/9, a comma or a true minus sign; null where it is none.
export function readWeight(text) {
  const clean = text.trim().replace(/[\u2212\u2013\uff0d]/g, "-").replace(",", ".").replace("\u3002", ".");
  const match = /^([+-]?\d*\.?\d+|[+-]?\d+\.)(?:\/(\d*\.?\d+))?$/.exec(clean);
  if (!match) return null;
  const value = Number(match[1]) / (match[2] === undefined ? 1 : Number(match[2]));
  return Number.isFinite(value) && Math.abs(value) <= 1000 ? Math.round(value * 1e4) / 1e4 + 0 : null;
}

export function number(value, decimals = 4) {
  if (!Number.isFinite(value)) return "?";
  if (Math.abs(value) >= 1e5) return value.toExponential(1).replaceAll("-", "\u2212");
  return String(Number(value.toFixed(decimals)) + 0).replace("-", "\u2212");
}

const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
const signed = (value) => (value < 0 ? `(${number(value)})` : number(value));

// A sum that can be read: the largest products, the rest as one, the bias.
export function sumText(terms, bias, text, most = 9) {
  const order = terms.filter((term) => term.product).sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  if (order.length === most + 1) most += 1; // the rest is more than one
  const parts = order.slice(0, most).map((term) => `${signed(term.value)} × ${signed(term.factor)}`);
  if (!parts.length) parts.push("0");
  const rest = order.slice(most);
  const others = rest.reduce((sum, term) => sum + term.product, 0);
  if (rest.length) parts.push(fill(text.rest, { others: signed(others), count: rest.length }));
  if (bias) parts.push(fill(text.bias, { bias: signed(bias) }));
  return parts.join(" + ");
}

const FORMULAS = { relu: "max(0, x)", leaky_relu: "max(x, {slope}·x)", sigmoid: "1 / (1 + e^(\u2212x))", tanh: "tanh(x)" };
export const ACTIVATIONS = {
  relu: (x) => Math.max(0, x),
  leaky_relu: (x, slope) => (x < 0 ? slope * x : x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};

// ---------------------------------------------------------------- drawing
const HIT = "#ff2d95";
const SPEEDS = [1, 2, 4, 8, 16, 32, 64]; // places a second
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const level = (value, low, high) => Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))) || 0;

function element(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

// The colour of one place of a stage as [r, g, b]; a colour picture shows its three planes together.
function colourOf(lab, stage, y, x) {
  const [channels, height, width] = stage.shape;
  const value = stage.numbers[y * width + x];
  if (stage.kind === "input" && channels === 3)
    return [0, 1, 2].map((c) => Math.round(255 * stage.numbers[(c * height + y) * width + x]));
  return shade(lab, stage.mode, value, stage.low, stage.high);
}

function shade(lab, mode, value, low, high) {
  const at = 3 * level(value, low, high);
  return [...lab.tables[mode].subarray(at, at + 3)];
}

const css = (rgb) => `rgb(${rgb.join(",")})`;
const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#10161d" : "#ffffff");

function thumbnail(lab, stage) {
  const [, height, width] = stage.shape;
  const canvas = element("canvas", "", { "aria-hidden": "true" });
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) image.data.set([...colourOf(lab, stage, y, x), 255], 4 * (y * width + x));
  canvas.getContext("2d").putImageData(image, 0, 0);
  const zoom = Math.max(1, Math.floor(64 / Math.max(width, height)));
  canvas.style.width = `${zoom * width}px`;
  canvas.style.height = `${zoom * height}px`;
  const node = element("span", "thumb");
  const mark = element("i");
  node.append(canvas, mark);
  return { node, mark, zoom };
}

function context(canvas, width, height) {
  const scale = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const made = canvas.getContext("2d");
  made.setTransform(scale, 0, 0, scale, 0, 0);
  return made;
}

// Draw a stage with its rim: `rim` cells around it, mirrored or hatched, a number in each cell that is large enough.
function paintStage(lab, canvas, stage, rim, reflect, room) {
  const [channels, height, width] = stage.shape;
  const cell = Math.max(3, Math.min(56, Math.floor(room / (Math.max(height, width) + 2 * rim))));
  const pen = context(canvas, cell * (width + 2 * rim), cell * (height + 2 * rim));
  const size = Math.min(15, cell * 0.36);
  const says = size >= 8.5 && channels === 1;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let row = -rim; row < height + rim; row++)
    for (let col = -rim; col < width + rim; col++) {
      const [y, x] = [place(row, height, reflect), place(col, width, reflect)];
      const [left, top] = [(col + rim) * cell, (row + rim) * cell];
      const outside = row < 0 || col < 0 || row >= height || col >= width;
      if (y === null || x === null) hatch(lab, pen, left, top, cell);
      const rgb = y === null || x === null ? null : colourOf(lab, stage, y, x);
      if (rgb) {
        pen.globalAlpha = outside ? 0.45 : 1;
        pen.fillStyle = css(rgb);
        pen.fillRect(left, top, cell, cell);
        pen.globalAlpha = 1;
      }
      const value = rgb ? stage.numbers[y * width + x] : 0;
      if (!Number.isFinite(value)) unknown(pen, left, top, cell);
      else if (says) {
        pen.fillStyle = rgb && !outside ? inkOn(rgb) : lab.ink;
        const text = number(value, 2);
        pen.font = `${size}px ${lab.font}`;
        const fits = Math.min(1, (cell - 4) / pen.measureText(text).width);
        if (fits < 1) pen.font = `${Math.max(7, size * fits)}px ${lab.font}`;
        pen.fillText(text, left + cell / 2, top + cell / 2 + 0.5);
      }
    }
  if (cell >= 9) gridLines(lab, pen, cell, width + 2 * rim, height + 2 * rim);
  if (rim) {
    pen.strokeStyle = lab.ink;
    pen.lineWidth = 1;
    pen.strokeRect(rim * cell + 0.5, rim * cell + 0.5, width * cell - 1, height * cell - 1);
  }
  return cell;
}

function hatch(lab, pen, left, top, cell) {
  pen.fillStyle = lab.soft;
  pen.fillRect(left, top, cell, cell);
  pen.strokeStyle = lab.line;
  pen.beginPath();
  pen.moveTo(left, top + cell);
  pen.lineTo(left + cell, top);
  pen.stroke();
}

function unknown(pen, left, top, cell) {
  pen.fillStyle = HIT;
  pen.fillRect(left, top, cell, cell);
  pen.fillStyle = "#fff";
  pen.font = `700 ${Math.max(8, cell * 0.7)}px sans-serif`;
  pen.fillText("?", left + cell / 2, top + cell / 2 + 1);
}

function gridLines(lab, pen, cell, cols, rows) {
  pen.strokeStyle = lab.line;
  pen.lineWidth = 0.5;
  pen.beginPath();
  for (let i = 0; i <= cols; i++) pen.rect(i * cell, 0, 0, rows * cell);
  for (let i = 0; i <= rows; i++) pen.rect(0, i * cell, cols * cell, 0);
  pen.stroke();
}

function frame(pen, left, top, width, height, thick = 3) {
  pen.lineWidth = thick + 2;
  pen.strokeStyle = "#fff";
  pen.strokeRect(left, top, width, height);
  pen.lineWidth = thick;
  pen.strokeStyle = HIT;
  pen.strokeRect(left, top, width, height);
}

// ---------------------------------------------------------------- what is pointed at
const current = (lab) => lab.stages[lab.target];
const before = (lab) => lab.stages[lab.target - 1];

function mark(lab) {
  const to = current(lab);
  const left = context(lab.fromOver, parseInt(lab.fromMap.style.width), parseInt(lab.fromMap.style.height));
  const right = context(lab.toOver, parseInt(lab.toMap.style.width) || 1, parseInt(lab.toMap.style.height) || 1);
  markFields(lab);
  if (lab.pixel) return markUses(lab, left, right);
  const { row, col } = to.hidden ? { row: 0, col: 0 } : lab.at;
  const [size, stride, padding, dilation] = to.window ?? [1, 1, 0, 1];
  const cell = lab.fromCell;
  const [top, start] = [row * stride - padding + lab.rim, col * stride - padding + lab.rim];
  const reach = dilation * (size - 1) + 1;
  if (dilation > 1)
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        left.lineWidth = 2;
        left.strokeStyle = HIT;
        left.strokeRect((start + j * dilation) * cell + 1, (top + i * dilation) * cell + 1, cell - 2, cell - 2);
      }
  frame(left, start * cell, top * cell, reach * cell, reach * cell, dilation > 1 ? 1.5 : 3);
  if (to.hidden) return;
  cover(lab, right, to);
  frame(right, col * lab.toCell, row * lab.toCell, lab.toCell, lab.toCell, lab.toCell < 8 ? 2 : 3);
}

// While it plays, the output fills up: what the window has not reached yet is paper.
function cover(lab, pen, to) {
  if (lab.trail === null) return;
  const [, height, width] = to.shape;
  pen.fillStyle = lab.paper;
  const cell = lab.toCell;
  const row = Math.floor(lab.trail / width);
  const done = (lab.trail % width) + 1;
  pen.fillRect(done * cell, row * cell, (width - done) * cell, cell);
  pen.fillRect(0, (row + 1) * cell, width * cell, (height - row - 1) * cell);
}

function markUses(lab, left, right) {
  const { row, col } = lab.pixel;
  const cell = lab.fromCell;
  frame(left, (col + lab.rim) * cell, (row + lab.rim) * cell, cell, cell, cell < 8 ? 2 : 3);
  for (const use of lab.uses) {
    right.fillStyle = "rgba(255,45,149,.28)";
    right.fillRect(use.col * lab.toCell, use.row * lab.toCell, lab.toCell, lab.toCell);
    right.lineWidth = 1.5;
    right.strokeStyle = HIT;
    right.strokeRect(use.col * lab.toCell + 0.75, use.row * lab.toCell + 0.75, lab.toCell - 1.5, lab.toCell - 1.5);
  }
}

function point(lab, row, col) {
  const to = current(lab);
  lab.pixel = null;
  if (!to.hidden) {
    const [, height, width] = to.shape;
    lab.at = { row: Math.min(height - 1, Math.max(0, row)), col: Math.min(width - 1, Math.max(0, col)) };
  }
  mark(lab);
  explain(lab);
}

function pointFrom(lab, row, col) {
  const [from, to] = [before(lab), current(lab)];
  const [, height, width] = from.shape;
  if (to.hidden) return;
  lab.pixel = { row: Math.min(height - 1, Math.max(0, row)), col: Math.min(width - 1, Math.max(0, col)) };
  lab.uses = usesOf(from, { window: [1, 1, 0, 1], ...to }, 0, lab.pixel.row, lab.pixel.col);
  mark(lab);
  explain(lab);
}

// ---------------------------------------------------------------- the arithmetic below
function cellNode(lab, value, mode, limit, className = "") {
  const rgb = shade(lab, mode, value, mode === "signed" ? -limit : 0, limit);
  const node = element("div", `cell ${className}`, {}, number(value, Math.abs(value) >= 100 ? 1 : 3));
  if (className !== "rim" && className !== "unknown") {
    node.style.background = css(rgb);
    node.style.color = inkOn(rgb);
  }
  return node;
}

const largest = (values) => values.reduce((most, one) => Math.max(most, Math.abs(one)), 0) || 1;

function grid(cols, nodes, label, caption) {
  const box = element("div", "part");
  const table = element("div", "grid", { role: "group", "aria-label": label });
  table.style.setProperty("--cols", cols);
  table.append(...nodes);
  box.append(element("span", "what", {}, caption), table);
  return box;
}

const sign = (text) => element("span", "sign", { "aria-hidden": "true" }, text);

// The arrow and what it leads to stay together where a line breaks.
function then(result) {
  const node = element("div", "then");
  node.append(sign("→"), result);
  return node;
}

function kernelInputs(lab, to, channel) {
  const { text, planes } = lab.data;
  const size = to.window[0];
  const inputs = to.kernel[channel].map((_weight, index) =>
    element("input", "cell", {
      type: "text", autocomplete: "off", "data-index": index,
      "aria-label": fill(text.weight, { row: Math.floor(index / size), col: index % size, plane: planes[channel] ?? "" }).trim(),
    }),
  );
  inputs.forEach((input) => {
    input.onchange = () => typed(lab, to.name);
    input.onfocus = () => input.select();
    input.onkeydown = (event) => walkKernel(event, inputs, size);
  });
  return inputs;
}

function showKernel(lab, to, channel, inputs) {
  const limit = largest(to.kernel[channel]);
  inputs.forEach((input, index) => {
    const weight = to.kernel[channel][index];
    const rgb = shade(lab, "signed", weight, -limit, limit);
    if (!input.matches(":focus")) {
      input.value = number(weight);
      input.removeAttribute("aria-invalid");
      input.removeAttribute("title");
    }
    input.style.background = css(rgb);
    input.style.color = inkOn(rgb);
  });
}

function walkKernel(event, inputs, size) {
  const step = { ArrowUp: -size, ArrowDown: size, Enter: size }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = inputs[Number(event.target.dataset.index) + step];
  if (next) next.focus();
  else event.target.blur();
}

function typed(lab, name) {
  const to = lab.stages.find((stage) => stage.name === name);
  if (!to || lab.view?.name !== name) return;
  let good = true;
  const wrong = [];
  const kernel = lab.view.lines.map(({ inputs }, channel) =>
    inputs.map((input, index) => {
      const value = readWeight(input.value);
      if (value === null) {
        good = false;
        wrong.push(fill(lab.data.text.notRead, { typed: input.value.trim(), old: number(to.kernel[channel][index]) }));
        input.setAttribute("aria-invalid", "true");
        input.title = lab.data.text.invalid;
      } else input.removeAttribute("aria-invalid");
      return value;
    }),
  );
  lab.wrong.textContent = wrong.join(" ");
  lab.wrong.hidden = good;
  if (good && JSON.stringify(kernel) !== JSON.stringify(to.kernel)) lab.send("typed", { layer: to.layer, kernel });
}

function explain(lab) {
  const to = current(lab);
  if (to.hidden && to.kind !== "conv") return say(lab, [], lab.data.text.hidden);
  if (lab.pixel) return explainUses(lab, to);
  const draw = { conv: explainSum, max: explainPool, avg: explainPool }[to.kind] ?? explainActivation;
  draw(lab, to, before(lab));
}

function say(lab, rows, sentence) {
  const same = rows.length === lab.rows.children.length && rows.every((row, i) => row === lab.rows.children[i]);
  if (!same) lab.rows.replaceChildren(...rows); // what is typed into must stay where it is, or it loses the focus
  lab.says.textContent = sentence;
  lab.wrong.hidden = !lab.rows.querySelector('[aria-invalid="true"]');
  cells(lab);
}

// Cells as large as fit: patch, kernel and products beside each other; on a phone the products below, or all three.
export function cellSize(room, size) {
  const three = Math.floor((room - 190) / (3 * size));
  if (three >= (room < 560 ? 40 : 26)) return ["three", Math.min(48, three)];
  const two = Math.floor((room - 40) / (2 * size));
  if (two >= 28) return ["two", Math.min(48, two)];
  return ["stacked", Math.max(24, Math.min(48, Math.floor((room - 8) / size)))];
}

function cells(lab) {
  const size = lab.pixel ? Math.max(1, lab.usesCols ?? 1) : (current(lab).window?.[0] ?? 1);
  const [way, px] = cellSize(lab.root.clientWidth, size);
  for (const name of ["two", "stacked"]) lab.root.classList.toggle(name, way === name);
  lab.root.style.setProperty("--cell", `${px}px`);
  lab.root.querySelectorAll(".rows .cell").forEach((cell) => {
    const length = (cell.value ?? cell.textContent).length;
    cell.style.fontSize = length > 4 ? `${Math.max(7.5, Math.min(0.31 * px, (px - 4) / (0.56 * length)))}px` : "";
  });
}

const unitOf = (stage, row, col) => `${stage.name}[0,${row},${col}]`;
const valueAt = (stage, row, col) => stage.numbers[row * stage.shape[2] + col];

// The lines of a convolution, one for each plane: made once, for the kernel in them is typed into.
function sumView(lab, to) {
  const { text, planes } = lab.data;
  const size = to.window[0];
  const key = [to.name, size, to.kernel.length, to.hidden, text.kernel].join("|");
  if (lab.view?.key === key) return lab.view;
  const lines = to.kernel.map((_plane, channel) => {
    const inputs = kernelInputs(lab, to, channel);
    const [patch, products] = [grid(size, [], text.patch, text.patch), grid(size, [], text.products, text.products)];
    const partial = element("b");
    const result = element("div", "partial");
    result.append(element("span", "what", {}, text.sum), partial);
    const line = element("div", "line");
    if (to.kernel.length > 1) line.append(element("b", `plane plane${channel}`, {}, planes[channel]));
    const kernel = grid(size, inputs, text.kernel, text.kernel);
    if (to.hidden) line.append(kernel);
    else line.append(patch, sign("×"), kernel, element("i", "break"), sign("="), products, then(result));
    return { line, inputs, patch: patch.lastChild, products: products.lastChild, partial };
  });
  return (lab.view = { key, name: to.name, lines, total: element("p", "total") });
}

function patchCell(lab, from, term, limit) {
  const node = cellNode(lab, term.value, from.mode, limit, term.at ? "" : "rim");
  if (term.at && from.kind === "input" && from.shape[0] === 3) {
    const light = Math.round(255 * term.value); // a plane of a colour picture in its own colour
    const rgb = [0, 1, 2].map((c) => (c === term.at[0] ? light : Math.round(light * 0.18)));
    node.style.background = css(rgb);
    node.style.color = inkOn(rgb);
  }
  return node;
}

function explainSum(lab, to, from) {
  const { text } = lab.data;
  const { lines, total } = sumView(lab, to);
  lines.forEach(({ inputs }, channel) => showKernel(lab, to, channel, inputs));
  if (to.hidden) return say(lab, lines.map(({ line }) => line), text.hidden);
  const { row, col } = lab.at;
  const terms = termsAt(from, to, row, col);
  const known = Number.isFinite(valueAt(to, row, col));
  const most = largest(terms.map((term) => term.product));
  const limit = from.mode === "grey" ? 1 : largest([from.low, from.high]);
  const partials = lines.map(({ patch, products, partial }, channel) => {
    const own = terms.filter((term) => term.tap[0] === channel);
    patch.replaceChildren(...own.map((term) => patchCell(lab, from, term, limit)));
    products.replaceChildren(...own.map((term) => cellNode(lab, known ? term.product : NaN, "signed", most, known ? "" : "unknown")));
    const sum = own.reduce((all, term) => all + term.product, 0);
    partial.textContent = known ? number(sum) : "?";
    return sum;
  });
  const value = totalOf(terms, to.bias);
  const parts = [number(partials[0]), ...partials.slice(1).map(signed)];
  if (to.bias) parts.push(fill(text.bias, { bias: signed(to.bias) }));
  total.hidden = parts.length === 1;
  total.replaceChildren(`${known ? parts.join(" + ") : "?"} = `, element("b", "", {}, known ? number(value) : "?"));
  const unit = unitOf(to, row, col);
  const empty = !to.bias && terms.every((term) => !term.product);
  const sentence = empty && known ? fill(text.nothing, { unit }) : known ? `${unit} = ${sumText(terms, to.bias, text)} = ${number(value)}` : fill(text.asked, { unit });
  say(lab, [...lines.map(({ line }) => line), total], sentence + seenText(lab, to));
}

// ---------------------------------------------------------------- how far back a number sees
// The rows and columns of stage `stages[back]` that can reach the number at (row, col) of `stages[target]`.
export function field(stages, target, back, row, col) {
  let [top, bottom, left, right] = [row, row, col, col];
  for (let i = target; i > back; i--) {
    const [size, stride, padding, dilation] = stages[i].window ?? [1, 1, 0, 1];
    const [, height, width] = stages[i - 1].shape;
    const span = (low, high, length) => {
      const first = low * stride - padding;
      const last = high * stride - padding + dilation * (size - 1);
      if (!stages[i].reflect) return [Math.max(0, first), Math.min(length - 1, last)];
      const inside = [Math.max(0, first), Math.min(length - 1, last)];
      const mirrored = [first < 0 ? [0, -first] : inside, last >= length ? [2 * (length - 1) - last, length - 1] : inside];
      return [Math.min(inside[0], ...mirrored.map((one) => one[0])), Math.max(inside[1], ...mirrored.map((one) => one[1]))];
    };
    [top, bottom] = span(top, bottom, height);
    [left, right] = span(left, right, width);
  }
  return { top, bottom, left, right };
}

function seenText(lab, to) {
  if (!to.layer) return "";
  const seen = field(lab.stages, lab.target, 0, lab.at.row, lab.at.col);
  if (seen.top > seen.bottom || seen.left > seen.right) return "";
  return `\n${fill(lab.data.text.sees, { ...seen, rows: seen.bottom - seen.top + 1, cols: seen.right - seen.left + 1 })}`;
}

// On the small pictures of the stages before: the part that reaches the number that is pointed at.
function markFields(lab) {
  const to = current(lab);
  lab.thumbs.forEach((thumb, index) => {
    const show = !to.hidden && !lab.pixel && index < lab.target && thumb;
    if (!thumb) return;
    thumb.mark.hidden = !show;
    if (!show) return;
    const seen = field(lab.stages, lab.target, index, lab.at.row, lab.at.col);
    if (seen.top > seen.bottom || seen.left > seen.right) thumb.mark.hidden = true;
    thumb.mark.style.top = `${seen.top * thumb.zoom}px`;
    thumb.mark.style.left = `${seen.left * thumb.zoom}px`;
    thumb.mark.style.width = `${(seen.right - seen.left + 1) * thumb.zoom}px`;
    thumb.mark.style.height = `${(seen.bottom - seen.top + 1) * thumb.zoom}px`;
  });
}

function explainPool(lab, to, from) {
  const { text } = lab.data;
  const size = to.window[0];
  const { row, col } = lab.at;
  const values = [];
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) values.push(valueAt(from, row * size + i, col * size + j));
  const best = values.indexOf(Math.max(...values));
  const limit = largest([from.low, from.high]);
  const nodes = values.map((value, index) => cellNode(lab, value, from.mode, limit, to.kind === "max" && index === best ? "won" : ""));
  const line = element("div", "line");
  const result = element("div", "partial");
  result.append(element("span", "what", {}, text[to.kind]), element("b", "", {}, number(valueAt(to, row, col))));
  line.append(grid(size, nodes, text.patch, text.patch), then(result));
  const facts = { unit: unitOf(to, row, col), count: values.length, value: number(valueAt(to, row, col)), from: unitOf(from, row * size + Math.floor(best / size), col * size + (best % size)) };
  say(lab, [line], fill(to.kind === "max" ? text.maxSays : text.avgSays, facts) + seenText(lab, to));
}

function explainActivation(lab, to, from) {
  const { text } = lab.data;
  const { row, col } = lab.at;
  const [x, y] = [valueAt(from, row, col), valueAt(to, row, col)];
  const line = element("div", "line");
  line.append(curve(lab, to, x, y));
  const facts = { unit: unitOf(to, row, col), from: unitOf(from, row, col), x: number(x), y: number(y), formula: fill(FORMULAS[to.kind], to) };
  say(lab, [line], fill(text.activation, facts));
}

// The activation's curve over the values that arrive, with the point on it.
function curve(lab, to, x, y) {
  const from = before(lab);
  const limit = largest([from.low, from.high]);
  const f = (value) => ACTIVATIONS[to.kind](value, to.slope);
  const high = Math.max(Math.abs(f(limit)), Math.abs(f(-limit)), 1e-9);
  const at = (a, b) => `${(150 + (130 * a) / limit).toFixed(1)},${(75 - (60 * b) / high).toFixed(1)}`;
  const points = Array.from({ length: 121 }, (_none, i) => (i / 60 - 1) * limit).map((a) => at(a, f(a)));
  const [px, py] = at(x, y).split(",");
  const box = element("div", "curve", { role: "img", "aria-label": `${to.kind}: ${number(x)} → ${number(y)}` });
  const dot = Number.isFinite(x + y) ? `<circle cx="${px}" cy="${py}" r="6"/><path class="lead" d="M${px} 75V${py}H150"/>` : "";
  box.innerHTML = `<svg viewBox="0 0 300 150"><path class="axis" d="M10 75H290M150 8V142"/><polyline points="${points.join(" ")}"/>${dot}<text x="288" y="69" text-anchor="end">${number(limit, 2)}</text><text x="12" y="69">${number(-limit, 2)}</text><text x="155" y="18">${number(high, 2)}</text></svg>`;
  return box;
}

function explainUses(lab, to) {
  const { text, planes } = lab.data;
  const from = before(lab);
  const { row, col } = lab.pixel;
  const uses = lab.uses;
  const all = to.shape[1] * to.shape[2];
  const colour = from.kind === "input" && from.shape[0] === 3;
  const value = colour
    ? planes.map((name, c) => `${name} ${number(from.numbers[(c * from.shape[1] + row) * from.shape[2] + col])}`).join(", ")
    : number(valueAt(from, row, col));
  const facts = { unit: colour ? `${from.name}[:,${row},${col}]` : unitOf(from, row, col), value, count: uses.length, all, stage: to.name };
  if (!uses.length) return say(lab, [], fill(text.unused, facts));
  const [rows, cols] = [[...new Set(uses.map((use) => use.row))], [...new Set(uses.map((use) => use.col))]];
  Object.assign(facts, { top: rows[0], bottom: rows.at(-1), left: cols[0], right: cols.at(-1) });
  lab.usesCols = cols.length;
  const sentence = fill(uses.length === 1 ? text.usedOnce : text.used, facts);
  if (to.kind !== "conv") return say(lab, [], sentence);
  const lines = to.kernel.map((plane, channel) => {
    const own = usesOf(from, to, channel, row, col);
    const nodes = own.map((use) => {
      const node = cellNode(lab, use.factor, "signed", largest(plane));
      node.title = `${unitOf(to, use.row, use.col)}: ${number(from.numbers[(channel * from.shape[1] + row) * from.shape[2] + col])} × ${signed(use.factor)}`;
      return node;
    });
    const line = element("div", "line");
    if (planes[channel] && to.kernel.length > 1) line.append(element("b", `plane plane${channel}`, {}, planes[channel]));
    line.append(grid(cols.length, nodes, text.meets, text.meets));
    return line;
  });
  say(lab, lines, sentence);
}

// ---------------------------------------------------------------- the frame: strip, maps, transport
function drawStrip(lab) {
  const { text, titles } = lab.data;
  const nodes = [];
  lab.thumbs = [];
  lab.stages.forEach((stage, index) => {
    const size = stage.hidden ? "? × ?" : stage.shape.slice(1).join(" × ");
    const tag = index ? "button" : "div";
    const node = element(tag, "step", index ? { type: "button", "aria-pressed": index === lab.target } : {});
    lab.thumbs[index] = stage.hidden ? null : thumbnail(lab, stage);
    node.append(lab.thumbs[index]?.node ?? element("span", "veil", {}, "?"), element("b", "", {}, titles[stage.name]), element("small", "", {}, size));
    if (index) {
      nodes.push(element("span", "arrow", { "aria-hidden": "true" }, "→"));
      node.disabled = Boolean(lab.stages[index - 1].hidden);
      node.onclick = () => choose(lab, index);
    }
    nodes.push(node);
  });
  lab.strip.hidden = lab.stages.length < 3; // both are shown large anyway
  lab.strip.replaceChildren(...nodes);
  lab.strip.setAttribute("aria-label", text.stages);
}

function choose(lab, index) {
  stop(lab);
  lab.target = index;
  lab.pixel = null;
  drawStrip(lab);
  layOut(lab);
  transport(lab);
}

function layOut(lab) {
  const { titles, text } = lab.data;
  const [from, to] = [before(lab), current(lab)];
  lab.width = lab.root.clientWidth; // its height follows from what is said, and changes with every number
  const beside = lab.width >= 560;
  lab.root.classList.toggle("beside", beside);
  const high = Math.max(300, globalThis.innerHeight - 570); // so that the arithmetic stands on the same screen
  const room = beside ? Math.min(460, high, Math.floor((lab.width - 56) / 2)) : lab.width - 4;
  lab.room = room;
  readTheme(lab);
  lab.rim = to.kind === "conv" ? to.window[2] : 0;
  lab.fromCell = paintStage(lab, lab.fromMap, from, lab.rim, to.reflect, room);
  lab.fromTitle.textContent = `${titles[from.name]} · ${from.shape.slice(1).join(" × ")}${lab.rim ? ` + ${fill(text.rim, { rim: lab.rim })}` : ""}`;
  lab.toMap.hidden = lab.toOver.hidden = lab.ends.hidden = lab.bar.hidden = to.hidden;
  lab.veil.hidden = !to.hidden;
  lab.toTitle.textContent = `${titles[to.name]} · ${to.hidden ? "? × ?" : to.shape.slice(1).join(" × ")}`;
  if (to.hidden) lab.veil.style.width = lab.veil.style.height = `${Math.min(room, beside ? 320 : 150)}px`;
  else {
    lab.toCell = paintStage(lab, lab.toMap, to, 0, false, Math.min(room, parseInt(lab.fromMap.style.width)));
    drawBar(lab, to);
  }
  lab.tools.hidden = to.hidden;
  point(lab, lab.at.row, lab.at.col);
}

function drawBar(lab, to) {
  const pen = context(lab.bar, Math.min(200, parseInt(lab.toMap.style.width)), 8);
  const width = parseInt(lab.bar.style.width);
  for (let x = 0; x < width; x++) {
    pen.fillStyle = css(shade(lab, to.mode, x / (width - 1), 0, 1));
    pen.fillRect(x, 0, 1, 8);
  }
  lab.ends.style.width = lab.bar.style.width;
  const marks = to.mode === "signed" ? [to.low, 0, to.high] : [to.low, to.high];
  lab.ends.replaceChildren(...marks.map((one) => element("span", "", {}, number(one, 2))));
}

function readTheme(lab) {
  const style = getComputedStyle(lab.root);
  lab.ink = style.color;
  lab.font = style.fontFamily;
  lab.line = style.getPropertyValue("--line-drawn").trim() || "rgba(120,130,140,.22)";
  lab.soft = style.getPropertyValue("--soft-drawn").trim() || "rgba(120,130,140,.12)";
  lab.paper = style.getPropertyValue("--paper").trim() || "#fff";
}

const positions = (lab) => { const [, height, width] = current(lab).shape; return height * width; };
const index = (lab) => lab.at.row * current(lab).shape[2] + lab.at.col;

function jump(lab, to) {
  const width = current(lab).shape[2];
  const last = positions(lab) - 1;
  const next = Math.min(last, Math.max(0, to));
  if (lab.trail !== null) lab.trail = Math.max(lab.trail, next);
  point(lab, Math.floor(next / width), next % width);
  transport(lab);
}

function play(lab) {
  if (lab.timer) return pause(lab);
  if (current(lab).hidden || lab.still.matches) return;
  if (lab.trail === null || index(lab) >= positions(lab) - 1) {
    lab.trail = 0;
    point(lab, 0, 0);
  }
  lab.timer = setInterval(() => {
    if (!lab.root.isConnected) return stop(lab);
    jump(lab, index(lab) + 1);
    if (index(lab) >= positions(lab) - 1) stop(lab);
  }, 1000 / SPEEDS[lab.speed]);
  lab.says.setAttribute("aria-live", "off");
  transport(lab);
}

function pause(lab) {
  clearInterval(lab.timer);
  lab.timer = null;
  lab.says.setAttribute("aria-live", "polite");
  transport(lab);
}

// The end, or something else is pointed at: all of the output is shown again.
function stop(lab) {
  pause(lab);
  lab.trail = null;
}

function faster(lab, step) {
  lab.speed = Math.min(SPEEDS.length - 1, Math.max(0, lab.speed + step));
  if (lab.timer) {
    pause(lab);
    play(lab);
  }
  transport(lab);
}

function transport(lab) {
  const { text } = lab.data;
  const to = current(lab);
  const playing = Boolean(lab.timer);
  label(lab.playButton, playing ? "pause" : "play", playing ? text.pause : text.play);
  lab.playButton.disabled = lab.still.matches;
  if (lab.still.matches) lab.playButton.title = text.still;
  label(lab.firstButton, "first", text.first);
  label(lab.backButton, "back", text.back);
  label(lab.stepButton, "step", text.step);
  label(lab.slowerButton, "minus", text.slower);
  label(lab.fasterButton, "plus", text.faster);
  lab.slowerButton.disabled = lab.speed === 0;
  lab.fasterButton.disabled = lab.speed === SPEEDS.length - 1;
  lab.brushes.hidden = !lab.data.paintable || lab.target !== 1;
  if (lab.brushes.hidden) lab.painting = false;
  label(lab.paintButton, "pencil", text.paint);
  if (!lab.painting) lab.paintButton.append(text.paint); // beside the empty sheet there is room for its icon only
  lab.paintButton.setAttribute("aria-pressed", lab.painting);
  label(lab.sheetButton, "sheet", text.sheet);
  lab.sheetButton.append(text.sheet);
  lab.sheetButton.hidden = !lab.painting;
  lab.fromOver.classList.toggle("painting", lab.painting);
  lab.fromOver.setAttribute("aria-label", lab.painting ? text.paintKeys : text.fromKeys);
  lab.pace.textContent = fill(text.pace, { count: SPEEDS[lab.speed] });
  if (!to.hidden) lab.where.textContent = fill(text.where, { place: index(lab) + 1, all: positions(lab) });
}

const ICONS = {
  play: "M8 5v14l11-7z", pause: "M7 5h4v14H7zM13 5h4v14h-4z", first: "M5 5h2.5v14H5zM20 5v14L9 12z",
  pencil: "M4 16.5V20h3.500L18 9.500 14.500 6zM16 4.500 19.500 8l1.500-1.500L17.500 3z", sheet: "M6 3h8l4 4v14H6zM8 5v14h8V8h-3V5z",
  back: "M16 5v14L6 12z", step: "M6 5v14l8.5-7zM16 5h2.5v14H16z", minus: "M5 11h14v2H5z", plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
};

function label(button, icon, name) {
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
  button.setAttribute("aria-label", name);
  button.title = name;
}

function tool(name) {
  return element("button", `tool do-${name}`, { type: "button" });
}

function panel(className) {
  const box = element("figure", className);
  const title = element("span");
  const head = element("figcaption");
  head.append(title);
  const holder = element("div", "holder");
  const map = element("canvas", "map");
  const over = element("canvas", "over", { tabindex: 0, role: "img" });
  holder.append(map, over);
  box.append(head, holder);
  return { box, head, title, holder, map, over };
}

function build(root) {
  const lab = { root, at: { row: 0, col: 0 }, target: 1, pixel: null, trail: null, timer: null, speed: 3, thumbs: [], painting: false };
  lab.still = globalThis.matchMedia("(prefers-reduced-motion: reduce)");
  lab.strip = element("div", "strip", { role: "group" });
  const [from, to] = [panel("from"), panel("to")];
  Object.assign(lab, { fromMap: from.map, fromOver: from.over, fromTitle: from.title, toMap: to.map, toOver: to.over, toTitle: to.title });
  lab.veil = element("div", "veil large", {}, "?");
  to.holder.append(lab.veil);
  lab.bar = element("canvas", "bar", { "aria-hidden": "true" });
  lab.ends = element("div", "ends");
  to.box.append(lab.bar, lab.ends);
  const bench = element("div", "bench");
  lab.brushes = element("span", "brushes");
  from.head.append(lab.brushes);
  bench.append(from.box, to.box);
  for (const name of ["play", "first", "back", "step", "slower", "faster", "paint", "sheet"]) lab[`${name}Button`] = tool(name);
  lab.pace = element("span", "pace");
  lab.where = element("span", "where");
  lab.tools = element("div", "tools", { role: "toolbar" });
  lab.tools.append(lab.firstButton, lab.backButton, lab.playButton, lab.stepButton, lab.slowerButton, lab.pace, lab.fasterButton, lab.where);
  lab.brushes.append(lab.paintButton, lab.sheetButton);
  lab.says = element("p", "says", { "aria-live": "polite" });
  lab.rows = element("div", "rows");
  lab.wrong = element("p", "wrong", { role: "alert", hidden: "" });
  root.replaceChildren(lab.strip, bench, lab.tools, lab.wrong, lab.rows, lab.says);
  new ResizeObserver(() => lab.data && lab.width !== root.clientWidth && layOut(lab)).observe(root);
  listen(lab);
  return lab;
}

function listen(lab) {
  const at = (event, canvas, cell, rim) => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top) / cell) - rim, Math.floor((event.clientX - box.left) / cell) - rim];
  };
  const onTo = (event) => {
    if (current(lab).hidden || (lab.timer && event.type === "pointermove")) return;
    stop(lab);
    point(lab, ...at(event, lab.toOver, lab.toCell, 0));
    transport(lab);
  };
  const onFrom = (event) => {
    if (lab.timer) return;
    if (lab.painting && brush(lab, event, at(event, lab.fromOver, lab.fromCell, lab.rim))) return;
    lab.trail = null;
    const [row, col] = at(event, lab.fromOver, lab.fromCell, lab.rim);
    const [, height, width] = before(lab).shape;
    if (row >= 0 && col >= 0 && row < height && col < width) pointFrom(lab, row, col);
  };
  lab.toOver.onpointermove = lab.toOver.onpointerdown = onTo;
  lab.fromOver.onpointermove = lab.fromOver.onpointerdown = onFrom;
  lab.fromOver.onpointerleave = (event) => event.pointerType === "mouse" && lab.pixel && point(lab, lab.at.row, lab.at.col);
  lab.toOver.onkeydown = (event) => keys(lab, event, (row, col) => { stop(lab); point(lab, row, col); transport(lab); }, lab.at);
  lab.fromOver.onkeydown = (event) => keys(lab, event, (row, col) => pointFrom(lab, row, col), lab.pixel ?? { row: 0, col: 0 });
  lab.fromOver.onpointerup = lab.fromOver.onpointercancel = () => lift(lab);
  lab.paintButton.onclick = () => {
    stop(lab);
    lab.painting = !lab.painting;
    transport(lab);
  };
  lab.sheetButton.onclick = () => {
    before(lab).numbers.fill(0);
    lab.drawn = true;
    lift(lab);
  };
  lab.fromOver.onblur = () => lab.pixel && point(lab, lab.at.row, lab.at.col);
  lab.playButton.onclick = () => play(lab);
  lab.firstButton.onclick = () => { stop(lab); jump(lab, 0); };
  lab.backButton.onclick = () => { stop(lab); jump(lab, index(lab) - 1); };
  lab.stepButton.onclick = () => { pause(lab); jump(lab, index(lab) + 1); };
  lab.slowerButton.onclick = () => faster(lab, -1);
  lab.fasterButton.onclick = () => faster(lab, 1);
}

// Draw on what arrives: a stroke takes the ink that its first pixel lacks. 28 pixels want a brush of two.
function brush(lab, event, [row, col]) {
  const { shape, numbers } = before(lab);
  const [, height, width] = shape;
  if (row < 0 || col < 0 || row >= height || col >= width) return true;
  if (event.type === "pointerdown") {
    lab.stroke = numbers[row * width + col] < 0.5 ? 1 : 0;
    lab.fromOver.setPointerCapture(event.pointerId);
  }
  if (lab.stroke === undefined || !event.buttons) return false;
  event.preventDefault();
  dab(lab, row, col, lab.stroke);
  return true;
}

function dab(lab, row, col, ink) {
  const { shape, numbers } = before(lab);
  const wide = shape[1] > 16 ? 2 : 1;
  for (let y = row; y < Math.min(shape[1], row + wide); y++)
    for (let x = col; x < Math.min(shape[2], col + wide); x++) numbers[y * shape[2] + x] = ink;
  lab.fromCell = paintStage(lab, lab.fromMap, before(lab), lab.rim, current(lab).reflect, lab.room);
  lab.drawn = true;
}

function lift(lab) {
  lab.stroke = undefined;
  if (!lab.drawn) return;
  lab.drawn = false;
  const { shape, numbers } = before(lab);
  const ink = btoa(String.fromCharCode(...Array.from(numbers, (one) => Math.round(255 * one))));
  const n = Date.now();
  lab.root.dataset.sent = n;
  lab.send("painted", { n, side: shape[1], ink });
}

function keys(lab, event, go, { row, col }) {
  if (event.key === "Enter" && lab.painting) {
    if (!lab.pixel) return go(row, col);
    const { shape, numbers } = before(lab);
    dab(lab, row, col, numbers[row * shape[2] + col] < 0.5 ? 1 : 0);
    return lift(lab);
  }
  if (event.key === " ") {
    event.preventDefault();
    return play(lab);
  }
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step) return;
  event.preventDefault();
  go(row + step[0], col + step[1]);
}

// Where the page opens: the number that is asked, else the place that answers most.
function begin(lab) {
  const { asked } = lab.data;
  const to = current(lab);
  if (asked) {
    lab.target = lab.stages.findIndex((stage) => stage.name === asked.stage);
    lab.at = { row: asked.row, col: asked.col };
  } else if (!to.hidden && lab.seen !== String(to.shape)) {
    let best = 0;
    to.numbers.forEach((one, i) => { if (Math.abs(one) > Math.abs(to.numbers[best])) best = i; });
    lab.at = { row: Math.floor(best / to.shape[2]), col: best % to.shape[2] };
  }
  if (!to.hidden) lab.seen = String(to.shape);
}

// Whether nothing but zeros reaches the number that is pointed at.
export function blank(lab) {
  const [from, to] = [lab.stages[lab.target - 1], lab.stages[lab.target]];
  const { row, col } = lab.at;
  if (to.hidden || row >= to.shape[1] || col >= to.shape[2]) return false;
  if (to.kind !== "conv") return !valueAt(to, row, col);
  return termsAt(from, to, row, col).every((term) => !term.product);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".glass-root");
  const lab = (root.lab ??= build(root));
  lab.send = setTriggerValue;
  root.dataset.answered = data.answered;
  const asked = JSON.stringify(data.asked);
  const names = data.stages.map((stage) => stage.name).join();
  lab.data = data;
  lab.tables = Object.fromEntries(Object.entries(data.tables).map(([mode, table]) => [mode, bytes(table)]));
  lab.stages = data.stages.map((stage) => ({ ...stage, numbers: stage.values && new Float64Array(bytes(stage.values).buffer) }));
  if (lab.names && lab.names !== names) lab.target = Math.max(1, data.stages.findIndex((stage) => stage.name === lab.name));
  lab.target = Math.min(lab.target, data.stages.length - 1);
  const veiled = data.stages.findIndex((stage) => stage.hidden);
  if (veiled > 0) lab.target = Math.min(lab.target, veiled); // of a later one not even what arrives may be seen
  stop(lab);
  const pen = lab.painting ? lab.pixel : null; // whoever draws by keyboard goes on from there
  lab.pixel = null;
  const input = data.stages[0].values;
  if (lab.input !== input && !lab.painting && blank(lab)) lab.seen = null; // another picture has something elsewhere
  lab.input = input;
  if (lab.asked !== asked || lab.seen !== String(current(lab).shape)) begin(lab);
  lab.asked = asked;
  lab.names = names;
  lab.name = current(lab).name;
  lab.toOver.setAttribute("aria-label", data.text.toKeys);
  lab.tools.setAttribute("aria-label", data.text.tools);
  drawStrip(lab);
  layOut(lab);
  transport(lab);
  if (pen && lab.painting) pointFrom(lab, pen.row, pen.col);
}
