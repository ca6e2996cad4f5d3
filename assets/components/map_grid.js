// All maps of a layer as hard-pixel tiles; the chosen one large, with its receptive field on the input, its filter and
// the patch under the pointer. The pointer is answered here; only another choice goes to the server (state "unit").
// data: {layer, shape, mode, tiles, low, high, means, signed, sequential, picture, detail, text}, see figures/sheets.py

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);
const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_all, name) => values[name]);

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

// Draw height x width levels (0..255) through a colour table of 256 x RGB, one canvas pixel for each number.
function paint(canvas, width, height, levels, table) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const row = 3 * levels[i];
    image.data.set([table[row], table[row + 1], table[row + 2], 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const level = (value, low, high) => Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))) || 0;

function paintPicture(canvas, picture) {
  const [height, width] = picture.size;
  const rgb = bytes(picture.rgb);
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawGrid(lab, data) {
  const [count, height, width] = data.shape;
  const all = bytes(data.tiles);
  const table = lab.tables[data.mode];
  const zoom = Math.max(1, Math.floor(56 / Math.max(height, width)));
  const tiles = [];
  for (let index = 0; index < count; index++) {
    const mean = number(data.means[index]);
    const label = fill(data.text.tile, { layer: data.layer, index, mean });
    const tile = element("button", "tile", { type: "button", "data-index": index, "aria-label": label, title: label });
    const canvas = element("canvas");
    const offset = index * height * width;
    paint(canvas, width, height, all.subarray(offset, offset + height * width), table);
    canvas.style.width = `${zoom * width}px`;
    canvas.style.height = `${zoom * height}px`;
    const note = element("span", "note");
    note.append(element("b", "", {}, String(index)), element("span", "", {}, number(data.means[index], 2)));
    tile.append(canvas, note);
    tile.style.width = `${Math.max(zoom * width, 52) + 8}px`;
    tiles.push(tile);
  }
  lab.grid.replaceChildren(...tiles);
  lab.tiles = tiles;
}

function mark(lab, unit) {
  lab.tiles.forEach((tile, index) => {
    tile.setAttribute("aria-pressed", index === unit);
    tile.tabIndex = index === unit ? 0 : -1;
  });
}

// Whole multiples only: a canvas of n numbers is k*n pixels wide, as large as fits into the room.
function fit(canvas, room) {
  const zoom = Math.max(1, Math.floor(room / Math.max(canvas.width, canvas.height)));
  canvas.style.width = `${zoom * canvas.width}px`;
  canvas.style.height = `${zoom * canvas.height}px`;
  return zoom;
}

// Three columns where there is room, tiles above the rest where there is less, all below each other on a phone.
const TILES = 278;
const SIDE = 280;

function layOut(lab) {
  const width = lab.root.clientWidth;
  const wide = width >= 980;
  const beside = width >= 700;
  lab.root.classList.toggle("wide", wide);
  lab.root.classList.toggle("beside", beside);
  const taken = (wide ? TILES + 20 : 0) + (beside ? SIDE + 16 : 0) + 12;
  const room = Math.min(288, Math.floor((width - taken - 4) / 2));
  lab.zoom = fit(lab.map, room);
  lab.inputZoom = fit(lab.input, room);
  lab.bar.style.width = lab.map.style.width;
  if (lab.detail) point(lab, lab.at.row, lab.at.col);
}

function box(node, zoom, top, left, rows, cols) {
  node.style.top = `${zoom * top}px`;
  node.style.left = `${zoom * left}px`;
  node.style.width = `${zoom * cols}px`;
  node.style.height = `${zoom * rows}px`;
}

// Point at one number of the large map: its field on the input, its patch and the products with the kernels.
function point(lab, row, col) {
  const { data, detail } = lab;
  const [, height, width] = data.shape;
  row = Math.min(height - 1, Math.max(0, row));
  col = Math.min(width - 1, Math.max(0, col));
  lab.at = { row, col };
  box(lab.cell, lab.zoom, row, col, 1, 1);
  const value = lab.values[row * width + col];
  const rows = detail.fields?.rows[row];
  const cols = detail.fields?.cols[col];
  const sees = Boolean(rows && cols);
  lab.field.hidden = !sees;
  const facts = { unit: `${data.layer}[${detail.unit},${row},${col}]`, value: number(value) };
  if (sees) {
    box(lab.field, lab.inputZoom, rows[0], cols[0], rows[1] - rows[0] + 1, cols[1] - cols[0] + 1);
    Object.assign(facts, { top: rows[0], bottom: rows[1], left: cols[0], right: cols[1] });
    const [high, wide] = [rows[1] - rows[0] + 1, cols[1] - cols[0] + 1];
    lab.crop.width = wide;
    lab.crop.height = high;
    lab.crop.getContext("2d").drawImage(lab.input, cols[0], rows[0], wide, high, 0, 0, wide, high);
    fit(lab.crop, 64);
  }
  lab.cropBox.style.visibility = sees ? "visible" : "hidden";
  lab.readout.replaceChildren(
    element("b", "", {}, fill("{unit} = {value}", facts)),
    element("span", "", {}, fill(sees ? data.text.sees : data.text.padding, facts)),
  );
  products(lab, row, col, value);
}

// The patch of a map that a window sees at one place, zero where it hangs over the edge.
export function patchAt(values, [height, width], [kernel, stride, padding, dilation], row, col) {
  const patch = new Float32Array(kernel * kernel);
  for (let i = 0; i < kernel; i++)
    for (let j = 0; j < kernel; j++) {
      const y = row * stride - padding + dilation * i;
      const x = col * stride - padding + dilation * j;
      if (y >= 0 && y < height && x >= 0 && x < width) patch[i * kernel + j] = values[y * width + x];
    }
  return patch;
}

export const times = (one, other) => one.reduce((sum, value, i) => sum + value * other[i], 0);

function products(lab, row, col, value) {
  const { detail, data } = lab;
  if (!detail.window.length) return;
  const kernel = detail.window[0];
  let total = 0;
  for (const channel of lab.channels) {
    const patch = patchAt(channel.values, channel.map_size, detail.window, row, col);
    const product = times(patch, channel.weights);
    total += product;
    const shades = Array.from(patch, (one) => level(one, channel.map_low, channel.map_high));
    paint(channel.patch, kernel, kernel, shades, lab.tables[channel.map_mode]);
    fit(channel.patch, lab.cell_px);
    channel.product.textContent = number(product, 3);
  }
  const bias = detail.bias ?? 0;
  const rest = detail.of_channels - lab.channels.length;
  lab.sum.textContent = rest
    ? fill(data.text.part, { shown: number(total), rest, others: number(value - total - bias), bias: number(bias), value: number(value) })
    : fill(data.text.sum, { shown: number(total), bias: number(bias), value: number(value) });
}

function drawChannels(lab) {
  const { detail, data } = lab;
  const own = detail.window.length > 0;
  lab.cell_px = detail.channels.length > 1 ? 36 : 96;
  lab.channels = detail.channels.map((channel) => {
    const weights = floats(channel.kernel);
    const [height, width] = channel.size;
    const kernel = element("canvas", "", { role: "img", "aria-label": fill(data.text.kernel, { index: channel.index }) });
    paint(kernel, width, height, Array.from(weights, (w) => level(w, -channel.limit, channel.limit)), lab.tables.signed);
    fit(kernel, lab.cell_px);
    const cell = element("div", "channel");
    const pair = element("div", "factors");
    const note = element("div", "note");
    note.append(element("span", "in", {}, fill(data.text.channel, { index: channel.index })));
    pair.append(kernel);
    cell.append(pair, note);
    const made = { ...channel, weights };
    if (own) {
      made.values = floats(channel.map);
      made.patch = element("canvas", "", { "aria-hidden": "true" });
      made.product = element("span", "product");
      pair.append(element("span", "times", { "aria-hidden": "true" }, "×"), made.patch);
      note.append(made.product);
    }
    made.node = cell;
    return made;
  });
  lab.rows.replaceChildren(...lab.channels.map((channel) => channel.node));
  const shown = lab.channels.length;
  const facts = { filter: detail.filter, unit: detail.unit, shown, all: detail.of_channels };
  const caption = !shown ? "" : shown < detail.of_channels ? data.text.some : own ? data.text.all : data.text.made;
  lab.caption.textContent = fill(caption, facts);
  lab.sum.hidden = !own;
  lab.kernels.hidden = !shown;
}

function drawDetail(lab, data) {
  const detail = data.detail;
  const [, height, width] = data.shape;
  lab.detail = detail;
  lab.values = floats(detail.values);
  const [low, high] = [data.low[detail.unit], data.high[detail.unit]];
  const shades = Array.from(lab.values, (one) => level(one, low, high));
  paint(lab.map, width, height, shades, lab.tables[data.mode]);
  paint(lab.bar, 256, 1, Array.from({ length: 256 }, (_none, i) => i), lab.tables[data.mode]);
  lab.ends.replaceChildren(...(data.mode === "signed" ? [low, 0, high] : [low, high]).map((one) => element("span", "", {}, number(one))));
  lab.title.textContent = fill(data.text.map, { layer: data.layer, index: detail.unit });
  paintPicture(lab.input, data.picture);
  drawChannels(lab);
  const same = lab.at && lab.at.row < height && lab.at.col < width && lab.layer === data.layer;
  if (!same) {
    let best = 0;
    lab.values.forEach((one, i) => { if (Math.abs(one) > Math.abs(lab.values[best])) best = i; });
    lab.at = { row: Math.floor(best / width), col: best % width };
  }
  lab.layer = data.layer;
}

function frame(canvas, over, caption) {
  const figure = element("figure");
  const holder = element("div", "holder");
  holder.append(canvas, over);
  figure.append(caption, holder);
  return figure;
}

function build(root, text) {
  const lab = { root, at: null, tiles: [] };
  lab.grid = element("div", "grid", { role: "group", "aria-label": text.grid });
  lab.view = element("div", "view");
  lab.title = element("figcaption");
  lab.map = element("canvas", "large", { tabindex: 0, role: "img", "aria-label": text.keys });
  lab.cell = element("div", "cell");
  lab.input = element("canvas", "large", { role: "img", "aria-label": text.input });
  lab.field = element("div", "field");
  lab.bar = element("canvas", "bar", { "aria-hidden": "true" });
  lab.ends = element("div", "ends");
  lab.readout = element("p", "readout", { "aria-live": "polite" });
  lab.crop = element("canvas", "", { "aria-hidden": "true" });
  lab.cropBox = element("div", "crop");
  lab.cropBox.append(element("span", "in", {}, text.patch), lab.crop);
  lab.kernels = element("div", "kernels");
  lab.caption = element("p", "caption");
  lab.rows = element("div", "rows");
  lab.sum = element("p", "sum");
  lab.kernels.append(lab.caption, lab.rows, lab.sum);
  const pair = element("div", "pair");
  const mapSide = frame(lab.map, lab.cell, lab.title);
  mapSide.append(lab.bar, lab.ends);
  const inputSide = frame(lab.input, lab.field, element("figcaption", "", {}, text.input));
  pair.append(mapSide, inputSide);
  const reading = element("div", "reading");
  reading.append(lab.cropBox, lab.readout);
  const side = element("div", "side");
  side.append(reading, lab.kernels);
  lab.view.append(pair, side);
  root.replaceChildren(lab.grid, lab.view);
  new ResizeObserver(() => lab.data && layOut(lab)).observe(root);
  return lab;
}

function listen(lab, choose) {
  lab.grid.onclick = (event) => {
    const tile = event.target.closest(".tile");
    if (tile) choose(Number(tile.dataset.index));
  };
  lab.grid.onkeydown = (event) => {
    const now = lab.tiles.indexOf(event.target.closest(".tile"));
    const across = Math.max(1, lab.tiles.findIndex((tile) => tile.offsetTop > lab.tiles[0].offsetTop));
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    const to = { Home: 0, End: lab.tiles.length - 1 }[event.key] ?? (step ? now + step : -1);
    if (to < 0 || to >= lab.tiles.length) return;
    event.preventDefault();
    lab.tiles[to].focus();
  };
  const follow = (event) => {
    const place = lab.map.getBoundingClientRect();
    const [, height, width] = lab.data.shape;
    const row = Math.floor(((event.clientY - place.top) / place.height) * height);
    const col = Math.floor(((event.clientX - place.left) / place.width) * width);
    if (row !== lab.at.row || col !== lab.at.col) point(lab, row, col);
  };
  lab.map.onpointermove = follow;
  lab.map.onpointerdown = follow;
  lab.map.onkeydown = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    point(lab, lab.at.row + step[0], lab.at.col + step[1]);
  };
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".maps-root");
  const lab = (root.lab ??= build(root, data.text));
  lab.data = data;
  lab.tables = { signed: bytes(data.signed), sequential: bytes(data.sequential) };
  const drawn = [data.layer, data.mode, data.tiles, data.signed, data.text.grid].join("|");
  if (lab.drawn !== drawn) drawGrid(lab, data);
  lab.drawn = drawn;
  mark(lab, data.detail.unit);
  drawDetail(lab, data);
  layOut(lab);
  listen(lab, (unit) => {
    mark(lab, unit);
    setStateValue("unit", unit);
  });
}
