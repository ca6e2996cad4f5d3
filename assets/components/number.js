// One map of a layer and everything that makes it: each number's own sum, worked out here in doubles from the numbers
// that arrived. Hovering never asks the server; going to another number does (trigger "go"), as do more maps ("more").
// data: see cnnlab/figures/number_sheets.py

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floats = (text) => (text ? new Float32Array(bytes(text).buffer) : null);
const doubles = (text) => (text ? new Float64Array(bytes(text).buffer) : null);
const places = (text) => (text ? new Int32Array(bytes(text).buffer) : null);
export const fill = (template, values) => template.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const WRAP = 32; // a vector is drawn in rows of so many

export function number(value, digits = 4) {
  if (!Number.isFinite(value)) return "–"; // JSON has no NaN: null stands for it
  const size = Math.abs(value);
  let text = String(Number(value.toPrecision(digits)));
  if (size >= 1e5) text = value.toExponential(2);
  else if (size > 0 && size < 1e-4) text = value.toExponential(1);
  return text.replaceAll("-", "\u2212");
}

// ---------------------------------------------------------------------------------------------- the arithmetic

// What arrived, with its numbers as typed arrays; a vector is a map of one row.
export function decode(data) {
  const plain = (one) => ({ ...one, values: floats(one.values) });
  return {
    ...data,
    out: plain(data.out),
    incoming: data.incoming.map((one) => ({
      ...plain(one), fold: data.fold, kernel: floats(one.kernel), origin: places(one.origin), factor: doubles(one.factor),
    })),
    rest: doubles(data.rest), shift: doubles(data.shift), weight: floats(data.weight),
  };
}

export function unitOf(map, index) {
  if (map.vector) return `${map.layer}[${index}]`;
  const width = map.size[1];
  return `${map.layer}[${map.channel},${Math.floor(index / width)},${index % width}]`;
}

const term = (map, index, factor, more = {}) => ({
  map, index, x: map.values[index], factor, product: (more.amount ?? map.values[index]) * factor, ...more,
});

// Where the window of a convolution looks for one output: [position in the input, position in the kernel].
export function taps(window, [height, width], row, column) {
  const [kernel, stride, padding, dilation] = window;
  const found = [];
  for (let m = 0; m < kernel; m++)
    for (let n = 0; n < kernel; n++) {
      const y = row * stride - padding + m * dilation;
      const x = column * stride - padding + n * dilation;
      if (y >= 0 && y < height && x >= 0 && x < width) found.push([y * width + x, m * kernel + n]);
    }
  return found;
}

const RULES = {
  window(data, row, column) {
    return data.incoming.flatMap((map) =>
      taps(data.window, map.size, row, column).map(([at, tap]) => term(map, at, map.kernel[tap], { tap })));
  },
  pool(data, row, column) {
    const [map] = data.incoming;
    const found = [];
    for (let y = data.rows[row][0]; y < data.rows[row][1]; y++)
      for (let x = data.columns[column][0]; x < data.columns[column][1]; x++) found.push(y * map.size[1] + x);
    if (data.tall) return found.map((at) => term(map, at, 1 / (data.tall[row] * data.wide[column])));
    let winner = found[0];
    for (const at of found) if (map.values[at] > map.values[winner]) winner = at;
    return found.map((at) => term(map, at, at === winner ? 1 : 0));
  },
  points(data, row, column) {
    const at = row * data.out.size[1] + column;
    return data.incoming.filter((map) => map.origin[at] >= 0).map((map) => term(map, map.origin[at], map.factor[at]));
  },
  dense(data) {
    const [map] = data.incoming;
    return Array.from(map.values, (x, at) =>
      data.kind === "RBF" ? term(map, at, -1, { amount: (x - data.weight[at]) ** 2 }) : term(map, at, data.weight[at]));
  },
  softmax(data, _row, column) {
    const [map] = data.incoming;
    const largest = map.values.reduce((one, other) => Math.max(one, other), -Infinity);
    const amounts = Array.from(map.values, (x) => Math.exp(x - largest));
    const over = amounts.reduce((one, other) => one + other, 0);
    return [term(map, column, 1 / over, { amount: amounts[column], amounts, over, largest })];
  },
  flatten(data, _row, column) {
    return [term(data.incoming[0], column, 1)];
  },
  // dL/dw: over all positions, what came in times what the loss asks of what went out there
  weight(data) {
    const [map] = data.incoming;
    const found = Array.from(data.out.values, (upstream, place) => ({ place, at: map.origin[place], upstream })).filter((one) => one.at >= 0);
    return found.map(({ place, at, upstream }) => term(map, at, upstream, { place }));
  },
  terms(data) {
    return data.told.terms.map((one) => ({ unit: one.input, x: one.input_value, factor: one.factor, product: one.product, amount: one.amount, image: one.image }));
  },
};

// One number as the sum that it is: {bias, terms (largest first), others (the maps that are not shown), total}.
export function sumAt(data, index) {
  const width = data.out.size[1];
  const [row, column] = [Math.floor(index / width), index % width];
  const terms = RULES[data.view](data, row, column);
  const told = data.view === "terms" ? data.told : null;
  const bias = told ? told.bias : data.shift ? data.shift[index] : data.bias;
  const others = told ? told.rest : data.rest ? data.rest[index] : (data.others_sum ?? 0);
  const total = terms.reduce((sum, one) => sum + one.product, bias) + others;
  terms.sort((one, other) => Math.abs(other.product) - Math.abs(one.product) || Math.abs(other.factor) - Math.abs(one.factor));
  return { bias, terms, others, total, row, column };
}

// Which numbers of the output a number of an incoming map goes into.
export function reached(data, map, index) {
  const [height, width] = data.out.size;
  const all = Array.from({ length: height * width }, (_none, i) => i);
  const [row, column] = [Math.floor(index / map.size[1]), index % map.size[1]];
  if (data.view === "window") {
    const [kernel, stride, padding, dilation] = data.window;
    const hits = (out, at) => {
      const steps = at - out * stride + padding;
      return steps >= 0 && steps % dilation === 0 && steps / dilation < kernel;
    };
    return all.filter((i) => hits(Math.floor(i / width), row) && hits(i % width, column));
  }
  if (data.view === "pool") {
    const hits = ([start, stop], at) => at >= start && at < stop;
    return all.filter((i) => hits(data.rows[Math.floor(i / width)], row) && hits(data.columns[i % width], column));
  }
  if (data.view === "points" || data.view === "weight") return all.filter((i) => map.origin[i] === index);
  return data.view === "flatten" ? [index] : all;
}

// The error function to double precision: its series near zero, its continued fraction far away.
export function erf(x) {
  if (Math.abs(x) > 2.5) {
    const z = Math.abs(x);
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
    return Math.sign(x) * (1 - Math.exp(-z * z) / (z + fraction) / Math.sqrt(Math.PI));
  }
  let [sum, part] = [x, x];
  for (let n = 1; n < 80; n++) {
    part *= (-x * x) / n;
    sum += part / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const clip = (x) => Math.min(Math.max(0, x), 6);
export const CURVES = {
  ReLU: () => (x) => Math.max(0, x),
  ReLU6: () => clip,
  LeakyReLU: ({ negative_slope }) => (x) => (x > 0 ? x : negative_slope * x),
  Sigmoid: () => (x) => 1 / (1 + Math.exp(-x)),
  Tanh: () => Math.tanh,
  GELU: () => (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  SiLU: () => (x) => x / (1 + Math.exp(-x)),
  Hardswish: () => (x) => (x * clip(x + 3)) / 6,
};

// ---------------------------------------------------------------------------------------------- drawing

function element(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

// How numbers lie on a canvas: a map as it is, a vector in rows of WRAP, a flattened one as the maps that it was.
export function layout(map) {
  if (map.fold) {
    const [count, height, width] = map.fold;
    const across = Math.ceil(Math.sqrt((count * (height + 1)) / (width + 1)));
    const size = [Math.ceil(count / across) * (height + 1) - 1, across * (width + 1) - 1];
    const spot = (index) => {
      const [tile, pixel] = [Math.floor(index / (height * width)), index % (height * width)];
      return [Math.floor(tile / across) * (height + 1) + Math.floor(pixel / width), (tile % across) * (width + 1) + (pixel % width)];
    };
    const index = (row, column) => {
      const [y, x] = [row % (height + 1), column % (width + 1)];
      const tile = Math.floor(row / (height + 1)) * across + Math.floor(column / (width + 1));
      return y < height && x < width && tile < count ? tile * height * width + y * width + x : -1;
    };
    return { size, spot, index };
  }
  const size = map.vector ? [Math.ceil(map.size[1] / WRAP), Math.min(WRAP, map.size[1])] : map.size;
  return { size, spot: (index) => [Math.floor(index / size[1]), index % size[1]], index: (row, column) => row * size[1] + column };
}

const level = (value, low, high) => Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))) || 0;

// Draw numbers through a colour table, one canvas pixel for each; those from `until` on stay faint.
function paint(canvas, { size: [height, width], spot }, values, { low, high, mode }, tables, until = Infinity) {
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  const table = tables[mode];
  for (let i = 0; i < values.length; i++) {
    const at = 3 * level(values[i], low, high);
    const [row, column] = spot(i);
    image.data.set([table[at], table[at + 1], table[at + 2], i < until ? 255 : 46], 4 * (row * width + column));
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function fit(canvas, room) {
  const most = Math.max(canvas.width, canvas.height);
  const zoom = most > room ? room / most : Math.min(28, Math.floor(room / most));
  canvas.style.width = `${zoom * canvas.width}px`;
  canvas.style.height = `${zoom * canvas.height}px`;
  return zoom;
}

const symmetric = (values) => {
  const high = values.reduce((one, other) => Math.max(one, Math.abs(other)), 0) || 1;
  return { low: -high, high, mode: "signed" };
};

// A picture of a map with a place for marks over it; `point` is told where the pointer or the arrow keys are.
function picture(label, point, go, press) {
  const holder = element("div", "holder");
  const canvas = element("canvas", "map", { role: "img", "aria-label": label });
  const marks = element("div", "marks");
  holder.append(canvas, marks);
  const made = { holder, canvas, marks, zoom: 1, at: 0, layout: null };
  if (!point) return made;
  canvas.tabIndex = 0;
  const inside = (row, column) => row >= 0 && row < canvas.height && column >= 0 && column < canvas.width;
  canvas.setAttribute("role", "application");
  const place = (event) => {
    const area = canvas.getBoundingClientRect();
    const row = Math.min(canvas.height - 1, Math.max(0, Math.floor(((event.clientY - area.top) / area.height) * canvas.height)));
    const column = Math.min(canvas.width - 1, Math.max(0, Math.floor(((event.clientX - area.left) / area.width) * canvas.width)));
    return made.layout.index(row, column);
  };
  canvas.onpointermove = canvas.onpointerdown = (event) => point(place(event));
  canvas.onclick = (event) => press?.(place(event));
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Enter") (go ?? press)?.(made.at);
    if (!step) return;
    event.preventDefault();
    let [row, column] = made.layout.spot(made.at);
    do [row, column] = [row + step[0], column + step[1]];
    while (inside(row, column) && made.layout.index(row, column) < 0); // over the gap between two maps
    if (inside(row, column)) point(made.layout.index(row, column));
  };
  return made;
}

function mark(made, indices, kind) {
  return indices.map((index) => {
    const node = element("i", kind);
    const [row, column] = made.layout.spot(index);
    node.style.cssText = `left:${column * made.zoom}px;top:${row * made.zoom}px;width:${made.zoom}px;height:${made.zoom}px`;
    return node;
  });
}

// A box around what may lie scattered: the smallest one that holds all.
function around(made, indices, kind) {
  if (!indices.length) return [];
  const spots = indices.map(made.layout.spot);
  const [rows, columns] = [spots.map(([row]) => row), spots.map(([, column]) => column)];
  const [top, left] = [Math.min(...rows), Math.min(...columns)];
  const node = element("i", kind);
  node.style.cssText = `left:${left * made.zoom}px;top:${top * made.zoom}px;` +
    `width:${(Math.max(...columns) - left + 1) * made.zoom}px;height:${(Math.max(...rows) - top + 1) * made.zoom}px`;
  return [node];
}

function caption(text, note = "") {
  const node = element("figcaption", "", {}, text);
  if (note) node.append(element("span", "", {}, ` ${note}`));
  return node;
}

function drawCrumbs(lab) {
  const { data } = lab;
  const nodes = data.trail.map((one, index) => {
    const last = index === data.trail.length - 1;
    const node = element(last ? "span" : "button", "crumb", last ? { "aria-current": "location" } : { type: "button" });
    node.append(element("b", "", {}, one.unit), element("small", "", {}, one.value === null ? "" : number(one.value)));
    if (!last) node.onclick = () => lab.send({ back: index });
    else lab.here = node;
    return node;
  });
  if (data.start) {
    const node = element("button", "crumb start", { type: "button" }, data.text.start);
    node.onclick = () => lab.send({ start: data.start });
    nodes.unshift(node);
  }
  lab.crumbs.replaceChildren(...nodes);
}

function draw_on(made, map, values, scale, tables, room, until) {
  made.layout = layout(map);
  paint(made.canvas, made.layout, values, scale, tables, until);
  made.zoom = fit(made.canvas, room);
}

function figureOf(lab, map, name, room) {
  const figure = element("figure");
  const at = lab.data.incoming.indexOf(map);
  const made = picture(
    fill(lab.data.text.input_keys, { name }), (index) => lab.pointIn(at, index), () => lab.over && lab.follow(lab.over.unit),
  );
  draw_on(made, map, map.values, map, lab.tables, room);
  figure.append(caption(name), made.holder);
  figure.made = made;
  return figure;
}

const nameOf = (map) => (map.vector ? map.layer : `${map.layer}[${map.channel}]`);

// Input maps, for a convolution each with its kernel and what the two make together.
function drawIncoming(lab) {
  const { data } = lab;
  const room = lab.room.small;
  lab.rows = data.incoming.slice(0, lab.drawn).map((map) => {
    const row = element("div", "row");
    const figure = figureOf(lab, map, nameOf(map), room);
    row.append(figure);
    const made = { row, map, picture: figure.made };
    if (map.kernel) {
      const kernel = element("canvas", "map", { role: "img", "aria-label": fill(data.text.kernel, { name: nameOf(map) }) });
      const side = Math.sqrt(map.kernel.length);
      paint(kernel, layout({ size: [side, side] }), map.kernel, { low: -data.limit, high: data.limit, mode: "signed" }, lab.tables);
      fit(kernel, Math.min(room, room > 150 ? 96 : 64));
      const partial = Float64Array.from(data.out.values, (_none, index) => partialAt(data, map, index));
      made.partial = picture(fill(data.text.partial, { name: nameOf(map) }));
      made.values = partial;
      const [left, right] = [element("figure"), element("figure")];
      left.append(caption(data.text.kernel_short), kernel);
      made.note = caption("");
      right.append(made.note, made.partial.holder);
      row.append(element("span", "op", { "aria-hidden": "true" }, "×"), left, element("span", "op", { "aria-hidden": "true" }, "="), right);
    }
    if (data.view === "dense") drawWeights(lab, made, room);
    row.onpointerenter = () => lab.chooseRow(made);
    row.onfocusin = () => lab.chooseRow(made);
    return made;
  });
  const limit = symmetric(lab.rows.flatMap((one) => (one.values ? Array.from(one.values) : [])));
  for (const one of lab.rows.filter((row) => row.values)) {
    draw_on(one.partial, data.out, one.values, limit, lab.tables, room);
  }
  const nodes = lab.rows.map((one) => one.row);
  const left = data.of_incoming - lab.rows.length;
  if (left > 0) {
    const more = element("button", "more", { type: "button" }, fill(data.text.more, { count: Math.min(left, data.more), rest: left }));
    more.onclick = () => {
      const here = data.incoming.length === data.of_incoming || data.incoming.length >= lab.drawn + data.more;
      lab.drawn += data.more;
      if (!here) return lab.sendMore(lab.drawn);
      draw(lab);
    };
    nodes.push(more);
  }
  if (data.view === "window" && data.of_incoming > 1 && !data.gradient) {
    const facts = { count: lab.rows.length, all: data.of_incoming, map: complete(data) ? unitOf(data.out, data.at) : nameOf(data.out) };
    nodes.unshift(element("p", "remark", {}, fill(left > 0 ? data.text.drawn : data.text.drawn_all, facts)));
  }
  lab.ins.replaceChildren(...nodes);
}

// The weights of a dense unit and what each input adds, laid out as the input is.
function drawWeights(lab, made, room) {
  const { data } = lab;
  const { map } = made;
  const added = Float64Array.from(RULES.dense(data), (one) => one.product);
  made.beside = [[data.text.weights, data.weight], [data.text.product, added]].map(([name, values], place) => {
    const one = picture(name);
    draw_on(one, map, values, symmetric(values), lab.tables, room);
    const figure = element("figure");
    figure.append(caption(name), one.holder);
    made.row.append(element("span", "op", { "aria-hidden": "true" }, place ? "→" : "×"), figure);
    return one;
  });
}

export function partialAt(data, map, index) {
  const width = data.out.size[1];
  return taps(data.window, map.size, Math.floor(index / width), index % width)
    .reduce((sum, [at, tap]) => sum + map.values[at] * map.kernel[tap], 0);
}

function drawOut(lab, until) {
  draw_on(lab.out, lab.data.out, lab.data.out.values, lab.data.out, lab.tables, lab.room.large, until);
}

// ---------------------------------------------------------------------------------------------- words

const NAMED = 4; // maps that the sentence of a convolution names

// What each incoming map adds to one number: [map, partial sum], the largest first.
export function partials(sum) {
  const found = new Map();
  for (const { map, product } of sum.terms) found.set(map, (found.get(map) ?? 0) + product);
  return [...found].sort(([, one], [, other]) => Math.abs(other) - Math.abs(one));
}

// The score, the largest score, e^(x - m) and the sum S with so many digits that a calculator gives what is shown.
export function softmaxFigures({ x, largest, amount, over }) {
  const value = amount / over;
  const short = (v, digits) => Number(v.toPrecision(digits));
  const least = (holds) => [4, 5, 6, 7, 8, 9, 10, 11].find(holds) ?? 12;
  const digits = least((d) => number(short(amount, d) / short(over, d)) === number(value));
  const scores = least((d) => number(Math.exp(short(x, d) - short(largest, d)), digits) === number(amount, digits));
  return { x: number(x, scores), largest: number(largest, scores), amount: number(amount, digits), over: number(over, digits), digits };
}

// Whether all maps that go into a convolution are here, so that the largest partial sums of a number are known.
const complete = (data) => data.view === "window" && !data.gradient && data.incoming.length === data.of_incoming;

// The maps that go in, those first that add most to the number that is looked at.
export function ranked(data) {
  if (!complete(data)) return data.incoming;
  const size = new Map(data.incoming.map((map) => [map, Math.abs(partialAt(data, map, data.at))]));
  return [...data.incoming].sort((one, other) => size.get(other) - size.get(one));
}

// As one writes it by hand: 1 - 2, not 1 + -2; and 3 · (-2), not 3 · -2. cnnlab.i18n.by_hand writes Python's sums so.
export const signs = (text) => text.replaceAll("+ \u2212", "\u2212 ").replaceAll("\u2212 \u2212", "+ ")
  .replace(/([·/] )(\u2212[\d.]+(?:e[+\u2212]?\d+)?)/g, "$1($2)");

export const says = (lab, sum) => signs(sentence(lab, sum));

function sentence(lab, sum) {
  const { data } = lab;
  const { text } = data;
  const unit = unitOf(data.out, lab.at);
  const value = number(sum.total);
  const [first] = sum.terms;
  if (data.view === "window") {
    const all = partials(sum);
    const named = all.slice(0, all.length <= NAMED + 1 ? NAMED + 1 : NAMED);
    const parts = named.map(([map, value]) => fill(text.from, { value: number(value), name: nameOf(map) }));
    const left = data.of_incoming - named.length;
    if (left) parts.push(fill(text.others, { value: number(all.slice(named.length).reduce((rest, [, value]) => rest + value, sum.others)), count: left }));
    return fill(text.window, { unit, bias: number(sum.bias), parts: parts.join(" + "), value });
  }
  if (data.view === "pool")
    return fill(data.tall ? text.mean : text.largest, {
      unit, value, count: data.tall ? data.tall[sum.row] * data.wide[sum.column] : sum.terms.length,
      where: first ? unitOf(first.map, first.index) : "",
      sum: number(sum.terms.reduce((all, one) => all + one.x, 0)),
    });
  if (data.view === "dense")
    return fill(data.kind === "RBF" ? text.rbf : text.dense, { unit, value, bias: number(sum.bias), count: sum.terms.length });
  if (data.view === "softmax")
    return fill(text.softmax, { unit, value, ...softmaxFigures(first), count: first.amounts.length });
  if (data.view === "flatten") {
    const [height, width] = data.fold.slice(1);
    const [channel, pixel] = [Math.floor(lab.at / (height * width)), lab.at % (height * width)];
    const [row, column] = [Math.floor(pixel / width), pixel % width];
    return fill(text.flatten, { unit, source: `${data.incoming[0].layer}[${channel},${row},${column}]`, channel, row, column, height, width, index: lab.at, value });
  }
  if (data.view === "terms") return data.told.says;
  if (data.view === "weight") {
    const here = sum.terms.find((one) => one.place === lab.at);
    const facts = { unit: data.says_unit, value, place: unit, count: data.out.values.length };
    return here
      ? fill(text.weight_here, { ...facts, x: number(here.x), source: unitOf(here.map, here.index), gradient: number(here.factor), product: number(here.product) })
      : fill(text.weight_border, facts);
  }
  if (!first) return fill(text.nothing, { unit });
  const facts = { unit, value, x: number(first.x), factor: number(first.factor), shift: number(sum.bias), kind: data.kind, ...lab.numbers };
  if (data.sentence === "add") return fill(text.add, { ...facts, parts: sum.terms.map((one) => number(one.x)).join(" + ") });
  if (data.sentence === "multiply") return fill(text.multiply, { ...facts, parts: data.incoming.map((map) => number(map.values[map.origin[lab.at]])).join(" · ") });
  if (data.sentence === "dropped") return fill(first.factor === 0 ? text.dropped : text.kept, facts);
  if (data.sentence === "move") return fill(text.move, { ...facts, source: unitOf(first.map, first.index) });
  return fill(text[data.sentence], facts);
}

function cellsOf(lab, title, values, scale) {
  const side = Math.sqrt(values.length);
  const figure = element("figure", "grid");
  const table = element("table", side > 5 ? "tight" : "");
  for (let row = 0; row < side; row++) {
    const line = element("tr");
    for (let column = 0; column < side; column++) {
      const value = values[row * side + column];
      const cell = element("td", "", {}, value === null ? "·" : number(value, side > 5 ? 2 : 3));
      if (value !== null) {
        const at = 3 * level(value, scale.low, scale.high);
        const rgb = [0, 1, 2].map((i) => lab.tables[scale.mode][at + i]);
        const light = (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255;
        cell.style.cssText = `background:rgb(${rgb});color:${light > 0.55 ? "#10161d" : "#fff"}`;
      }
      line.append(cell);
    }
    table.append(line);
  }
  figure.append(caption(title), table);
  return figure;
}

// One patch times its kernel, written out: all products of a small kernel, the largest of a large one.
export function patchSays(data, map, patch, sum) {
  const found = patch.map((x, tap) => ({ x, w: map.kernel[tap] })).filter((one) => one.x !== null);
  const most = 9;
  const order = [...found].sort((a, b) => Math.abs(b.x * b.w) - Math.abs(a.x * a.w));
  const shown = found.length > most ? order.slice(0, most) : found;
  const rest = order.slice(most).reduce((all, one) => all + one.x * one.w, 0);
  const parts = shown.map((one) => `${number(one.x)} · ${number(one.w)}`).join(" + ");
  const facts = { name: nameOf(map), parts, sum: number(sum), rest: number(rest), count: found.length - most };
  return signs(fill(found.length > most ? data.text.spelled_part : data.text.spelled, facts));
}

// Patch, kernel and their products as numbers, for the map that the pointer was on last.
function drawClose(lab) {
  const { data } = lab;
  const row = lab.chosen;
  lab.close.hidden = data.view !== "window" || !row || data.window[0] > 7;
  if (lab.close.hidden) return;
  const side = data.window[0];
  const [patch, products] = [Array(side * side).fill(null), Array(side * side).fill(null)];
  const width = data.out.size[1];
  for (const [at, tap] of taps(data.window, row.map.size, Math.floor(lab.at / width), lab.at % width)) {
    patch[tap] = row.map.values[at];
    products[tap] = row.map.values[at] * row.map.kernel[tap];
  }
  const sum = products.reduce((all, one) => all + one, 0);
  const kernel = { low: -data.limit, high: data.limit, mode: "signed" };
  lab.close.replaceChildren(
    element("p", "spelled", {}, patchSays(data, row.map, patch, sum)),
    cellsOf(lab, fill(data.text.patch, { name: nameOf(row.map) }), patch, row.map), element("span", "op", {}, "×"),
    cellsOf(lab, data.text.kernel_short, Array.from(row.map.kernel), kernel), element("span", "op", {}, "="),
    cellsOf(lab, fill(data.text.products, { sum: number(sum) }), products, symmetric(products)),
  );
}

function drawTerms(lab, sum) {
  const { data } = lab;
  const head = element("tr");
  const softmax = data.view === "softmax";
  const words = softmax ? [data.text.input, data.text.score, data.text.power, data.text.over] : data.view === "terms" && data.gradient ? data.text.back : data.view === "weight" ? data.text.met : [data.text.input, data.text.x, data.text.factor];
  for (const word of [...words, softmax ? data.text.divided : data.text.product]) head.append(element("th", "", { scope: "col" }, word));
  const rows = [head];
  const most = lab.terms_shown;
  for (const one of sum.terms.slice(0, most)) {
    const of = one.unit ? one.unit : unitOf(sourceOf(data, one).map, sourceOf(data, one).index);
    const unit = one.image === undefined ? of : `${of} (${fill(data.text.image, { index: one.image })})`;
    const line = element("tr");
    const go = element("button", "go", { type: "button", title: fill(data.text.go, { unit }), "aria-label": fill(data.text.go, { unit }) }, `${unit} ↓`);
    if (data.leaf) go.disabled = true;
    go.onclick = () => lab.follow(unit);
    const cell = element("td");
    cell.append(data.leaf ? element("span", "", {}, unit) : go);
    if (softmax) {
      const shown = softmaxFigures(one);
      line.append(cell, ...[shown.x, shown.amount, shown.over, number(one.product)].map((value) => element("td", "", {}, value)));
      rows.push(line);
      continue;
    }
    line.append(cell, element("td", "", {}, one.amount === undefined ? number(one.x) : `${number(one.x)} → ${number(one.amount)}`));
    line.append(element("td", "", {}, number(one.factor)), element("td", "", {}, number(one.product)));
    rows.push(line);
  }
  const rest = sum.terms.slice(most).reduce((all, one) => all + one.product, sum.others);
  const hidden = Math.max(0, sum.terms.length - most);
  const unseen = data.view === "weight" ? (data.images > 1 ? 1 : 0) : data.view === "terms" ? data.told.rest_count : data.rest ? (data.of_incoming - data.incoming.length) * data.window[0] ** 2 : 0;
  const line = (name, value, className = "") => {
    const node = element("tr", className);
    node.append(element("td", "", { colspan: 3 }, name), element("td", "", {}, number(value)));
    rows.push(node);
  };
  if (data.view === "weight" && data.images > 1) {
    if (hidden) line(fill(data.text.rest, { count: hidden }), rest - sum.others);
    line(fill(data.text.other_images, { count: data.images - 1 }), sum.others);
  } else if (hidden + unseen) line(fill(data.text.rest, { count: hidden + unseen }), rest);
  if (sum.bias) line(data.shift || data.view === "terms" ? data.text.added : data.text.bias, sum.bias);
  const whole = data.says_unit ?? unitOf(data.out, data.view === "terms" ? data.at : lab.at);
  if (!softmax) line(fill(data.text.sum, { unit: data.gradient ? `dL/d${whole}` : whole }), sum.total, "total");
  lab.table.replaceChildren(...rows);
  lab.all.hidden = hidden === 0 && most <= 6;
  lab.all.textContent = hidden === 0 ? data.text.fewer : fill(data.text.all, { count: Math.min(hidden, 20) });
  lab.all.onclick = () => {
    lab.terms_shown = hidden === 0 ? 6 : most + 20;
    drawTerms(lab, sum);
  };
}

// A number of a flat vector stands in a map of the layer before.
function sourceOf(data, one) {
  if (data.view !== "flatten") return one;
  const [, height, width] = data.fold;
  const map = { layer: one.map.layer, channel: Math.floor(one.index / (height * width)), size: [height, width] };
  return { map, index: one.index % (height * width) };
}

function drawCurve(lab, sum) {
  const { data } = lab;
  const f = CURVES[data.kind]?.(data.numbers);
  const shows = Boolean(f && sum.terms.length);
  lab.curve.toggleAttribute("hidden", !shows); // an SVG has no property of that name
  if (!shows) return;
  const [map] = data.incoming;
  const most = Math.max(1, map.values.reduce((one, other) => Math.max(one, Math.abs(other)), 0));
  const xs = Array.from({ length: 121 }, (_none, i) => -most + (2 * most * i) / 120);
  const ys = xs.map(f);
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const px = (x) => 10 + (220 * (x + most)) / (2 * most);
  const py = (y) => 130 - (120 * (y - low)) / (high - low || 1);
  const path = xs.map((x, i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(ys[i]).toFixed(1)}`).join("");
  const { x } = sum.terms[0];
  lab.curve.setAttribute("aria-label", fill(data.text.curve_label, { kind: data.kind, x: number(x), value: number(f(x)) }));
  lab.curve.innerHTML =
    `<path class="axis" d="M10 ${py(0)}H230M${px(0)} 6V134"/><path class="line" d="${path}"/>` +
    `<path class="drop" d="M${px(x)} ${py(0)}V${py(f(x))}H${px(0)}"/><circle cx="${px(x)}" cy="${py(f(x))}" r="4.5"/>`;
}

function drawShares(lab, sum) {
  const { data } = lab;
  lab.shares.hidden = data.view !== "softmax";
  if (lab.shares.hidden) return;
  const [{ amounts, over }] = sum.terms;
  const { digits } = softmaxFigures(sum.terms[0]);
  const order = amounts.map((_none, index) => index).sort((a, b) => amounts[b] - amounts[a]).slice(0, 12);
  if (!order.includes(lab.at)) order[order.length - 1] = lab.at;
  const head = element("tr");
  for (const word of [data.text.class, data.text.score, data.text.power, data.text.share]) head.append(element("th", "", { scope: "col" }, word));
  const rows = order.map((index) => {
    const line = element("tr", index === lab.at ? "here" : "");
    const pick = element("button", "go", { type: "button" }, data.classes?.[index] ?? String(index));
    pick.onclick = () => lab.point(index);
    const cell = element("td");
    cell.append(pick);
    const bar = element("td", "bar");
    const share = amounts[index] / over;
    bar.append(element("i", "", { style: `width:${(100 * share).toFixed(1)}%` }), element("span", "", {}, `${number(100 * share, 3)} %`));
    line.append(cell, element("td", "", {}, number(data.incoming[0].values[index])), element("td", "", {}, number(amounts[index], digits)), bar);
    return line;
  });
  const whole = element("tr", "total");
  whole.append(element("td", "", { colspan: 2 }, data.text.over_all), element("td", "", {}, number(over, digits)), element("td", "", {}, "100 %"));
  lab.shares.replaceChildren(head, ...rows, whole);
}

// ---------------------------------------------------------------------------------------------- the pointer

function point(lab, index) {
  const { data } = lab;
  if (index < 0 || index >= data.out.values.length) return;
  lab.at = lab.out.at = index;
  lab.over = null;
  const sum = sumAt(data, index);
  lab.out.marks.replaceChildren(...mark(lab.out, [index], "cell"));
  for (const one of lab.rows) {
    const own = sum.terms.filter((each) => each.map === one.map);
    const seen = own.map((each) => each.index);
    const winner = data.view === "pool" && !data.tall && own.length ? mark(one.picture, [own[0].index], "cell") : [];
    const box = data.view === "window" || data.view === "pool";
    if (data.view === "weight") {
      one.picture.marks.replaceChildren(...mark(one.picture, own.filter((each) => each.place === index).map((each) => each.index), "cell"));
      continue;
    }
    one.picture.marks.replaceChildren(...(box ? around(one.picture, seen, "box") : mark(one.picture, seen.slice(0, 6), "cell")), ...winner);
    for (const beside of one.beside ?? []) beside.marks.replaceChildren(...mark(beside, seen.slice(0, 6), "cell"));
    if (!one.values) continue;
    one.partial.marks.replaceChildren(...mark(one.partial, [index], "cell"));
    one.note.textContent = number(one.values[index]);
  }
  if (lab.here) lab.here.replaceChildren(element("b", "", {}, unitOf(data.out, index)), element("small", "", {}, number(data.out.values[index])));
  lab.says.textContent = says(lab, sum);
  lab.more_words.textContent = data.remark ? fill(data.remark, lab.numbers) : "";
  lab.gone.hidden = true;
  drawClose(lab);
  drawTerms(lab, sum);
  drawCurve(lab, sum);
  drawShares(lab, sum);
}

// A number that only the server can take apart: what it is, and that a click asks for it.
function peek(lab, index) {
  const { data } = lab;
  if (index < 0 || index >= data.out.values.length) return;
  lab.out.at = index;
  lab.out.marks.replaceChildren(...mark(lab.out, [data.at], "cell"), ...mark(lab.out, [index], "hit"));
  lab.says.textContent = fill(data.text.peek, { unit: unitOf(data.out, index), value: number(data.out.values[index]) });
}

// A number of an incoming map: every number of the output that it goes into.
function pointIn(lab, at, index) {
  const { data } = lab;
  const map = data.incoming[at];
  if (index < 0 || index >= map.values.length) return;
  const row = lab.rows[at];
  row.picture.at = index;
  const found = reached(data, map, index);
  const where = sourceOf(data, { map, index });
  const unit = unitOf(where.map, where.index);
  lab.over = { unit };
  row.picture.marks.replaceChildren(...mark(row.picture, [index], "cell"));
  const many = data.view === "dense" || data.view === "softmax";
  lab.out.marks.replaceChildren(...(many ? [] : mark(lab.out, found, "hit")));
  for (const one of lab.rows) if (one.partial) one.partial.marks.replaceChildren(...mark(one.partial, found, "hit"));
  lab.says.textContent = fill(data.text.reaches, { unit, value: number(map.values[index]), count: found.length, name: nameOf(data.out) });
  lab.gone.hidden = data.leaf;
  lab.gone.textContent = fill(data.text.go, { unit });
}

// ---------------------------------------------------------------------------------------------- the sliding kernel

function stop(lab) {
  clearInterval(lab.timer);
  lab.timer = null;
  lab.play.textContent = lab.data ? lab.data.text.play : "";
  lab.play.setAttribute("aria-pressed", "false");
}

function step(lab) {
  const last = lab.data.out.values.length - 1;
  lab.slid = lab.slid === null || lab.slid >= last ? 0 : lab.slid + 1;
  drawOut(lab, lab.slid + 1);
  lab.point(lab.slid);
  if (lab.slid >= last) {
    stop(lab);
    lab.slid = null;
    drawOut(lab);
    lab.point(last);
  }
}

function play(lab) {
  if (lab.timer) return stop(lab);
  lab.play.textContent = lab.data.text.pause;
  lab.play.setAttribute("aria-pressed", "true");
  step(lab);
  const pace = Math.max(60, Math.min(400, 12000 / lab.data.out.values.length));
  lab.timer = setInterval(() => (lab.root.isConnected ? step(lab) : stop(lab)), pace);
}

// ---------------------------------------------------------------------------------------------- all of it

function build(root, text) {
  const lab = { root, at: 0, drawn: 0, over: null, slid: null, timer: null, terms_shown: 6, rows: [] };
  lab.crumbs = element("nav", "crumbs", { "aria-label": text.trail });
  lab.title = element("h3", "title");
  lab.play = element("button", "play", { type: "button", "aria-pressed": "false" });
  lab.step = element("button", "play", { type: "button" });
  const head = element("div", "head");
  lab.gone = element("button", "go big", { type: "button" });
  head.append(lab.title, lab.play, lab.step, lab.gone);
  lab.ins = element("div", "ins");
  const right = element("div", "outs");
  lab.out_name = caption("");
  lab.out = picture(text.output_keys, (index) => lab.point(index), null, (index) => lab.press(index));
  const figure = element("figure");
  figure.append(lab.out_name, lab.out.holder);
  lab.says = element("p", "says", { "aria-live": "polite" });
  lab.more_words = element("p", "remark");
  lab.curve = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  lab.curve.setAttribute("viewBox", "0 0 240 140");
  lab.curve.setAttribute("role", "img");
  lab.curve.setAttribute("class", "curve");
  right.append(figure, lab.curve);
  lab.close = element("div", "close");
  lab.shares = element("table", "terms shares");
  lab.table = element("table", "terms");
  lab.all = element("button", "more", { type: "button" });
  const words = element("div", "words");
  words.append(lab.says, lab.more_words);
  const tables = element("div", "tables");
  const left = element("div");
  left.append(lab.table, lab.all);
  tables.append(left, lab.shares);
  const stage = element("div", "stage");
  lab.arrow = element("span", "op big", { "aria-hidden": "true" }, "→");
  stage.append(lab.ins, lab.arrow, right, tables);
  root.replaceChildren(lab.crumbs, head, words, stage, lab.close);
  new ResizeObserver(() => {
    if (lab.data && Math.abs(root.clientWidth - lab.width) > 8) draw(lab);
  }).observe(root);
  return lab;
}

function draw(lab) {
  const { data } = lab;
  lab.width = lab.root.clientWidth;
  const phone = lab.width < 640;
  lab.root.classList.toggle("phone", phone);
  lab.root.classList.toggle("narrow", lab.width < 1000);
  lab.room = { small: phone ? 96 : { window: data.incoming.length > 2 ? 118 : 196, dense: 170 }[data.view] ?? 230, large: phone ? Math.min(260, lab.width - 20) : 280 };
  if (phone && data.view !== "window" && data.view !== "dense") lab.room.small = Math.min(230, lab.width - 20);
  lab.title.textContent = data.title;
  lab.out_name.textContent = data.gradient ? `dL/d${nameOf(data.out)}` : nameOf(data.out);
  drawCrumbs(lab);
  const before = lab.rows.indexOf(lab.chosen);
  drawIncoming(lab);
  lab.arrow.hidden = lab.rows.length === 0;
  drawOut(lab);
  const slides = ["window", "pool", "weight"].includes(data.view);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  lab.play.hidden = !slides || calm;
  lab.step.hidden = !slides;
  lab.step.textContent = data.text.step;
  lab.play.textContent = lab.timer ? data.text.pause : data.text.play;
  lab.chooseRow(lab.rows[Math.max(0, before)]);
  lab.point(lab.at);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".number-root");
  const lab = (root.lab ??= build(root, data.text));
  const same = lab.key === data.key;
  lab.data = decode(data);
  lab.data.incoming = ranked(lab.data);
  lab.key = data.key;
  lab.tables = { signed: bytes(data.signed), sequential: bytes(data.sequential), grey: bytes(data.grey) };
  lab.numbers = Object.fromEntries(Object.entries(data.numbers).map(([name, value]) => [name, number(value)]));
  lab.send = (message) => setTriggerValue("go", message);
  lab.sendMore = (count) => setTriggerValue("go", { more: count });
  lab.follow = (unit) => lab.send({ from: unitOf(lab.data.out, lab.at), to: unit });
  lab.point = (index) => {
    // a dense unit has weights of its own, which only the server has
    const alone = lab.data.view === "dense" || lab.data.view === "terms";
    return alone && index !== lab.data.at ? peek(lab, index) : point(lab, index);
  };
  lab.press = (index) => {
    const alone = lab.data.view === "dense" || lab.data.view === "terms";
    if (alone && index !== lab.data.at && index < lab.data.out.values.length) lab.send({ instead: unitOf(lab.data.out, index) });
  };
  lab.pointIn = (at, index) => pointIn(lab, at, index);
  lab.chooseRow = (row) => {
    lab.chosen = row;
    for (const one of lab.rows) one.row.classList.toggle("chosen", one === row && lab.data.view === "window");
    drawClose(lab);
  };
  lab.play.onclick = () => play(lab);
  lab.step.onclick = () => {
    stop(lab);
    step(lab);
  };
  lab.gone.onclick = () => lab.over && lab.follow(lab.over.unit);
  if (!same || lab.at >= lab.data.out.values.length) {
    lab.at = data.at;
    lab.terms_shown = 6;
    lab.slid = lab.chosen = null;
    lab.drawn = 0;
    stop(lab);
  }
  lab.drawn = Math.max(lab.drawn, data.drawn);
  if (lab.data.view === "dense" || lab.data.view === "terms") lab.at = data.at;
  draw(lab);
}
