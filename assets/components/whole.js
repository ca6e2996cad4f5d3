// The whole network at a glance: a column of small maps for each layer, links between them. Pointing at a map, or moving
// to it with the keys, lights what feeds it and what it feeds; that is answered here. The server is asked when a layer is
// opened or closed (state "opened": names) and when a map is chosen (state "chosen": [layer, map]).
// data: {columns, colours, grey, signed, sequential, opened, chosen, marked, text}, see figures/whole.py

const NARROW = 640; // below, the layers stand under each other
const TILE = 36; // a row of numbers is so wide
const TALLEST = [64, 36]; // a map is at most so large: with room, and without
const LEAST = 20; // a map is no smaller only because the one before it is
const SHRINK = 0.875; // a smaller map is drawn smaller by so much at least, where LEAST lets it
const FLAT = 13; // height of a tile that is one row of numbers
const HEAD = [50, 64]; // without and with the names of blocks
const GAP = 5;
const BETWEEN = [26, 64]; // pixels from one layer to the next, at least and at most
const TIGHT = [18, 30]; // where that makes it fit: from one layer to the next at least, and off each bar of a class
const CLASS = [126, 166]; // a bar with its class: of a digit, of a word
const MARGIN = 22; // around the picture
const APART = 30; // from one column of bars to the next
const PER_COLUMN = 12;
const FEW = 240; // links between two layers that are drawn while nothing is pointed at

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

export const percent = (share) => (share > 0 && share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);

function element(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

// ------------------------------------------------------------------------------------ where everything stands
// For each side of a map how many pixels wide one of its numbers is: no smaller map is drawn larger than a larger one.
export function zooms(columns, most) {
  const sides = [...new Set(columns.filter((column) => column.map && !column.classes).map(({ size }) => Math.max(...size)))];
  const found = new Map();
  let before = Infinity;
  for (const side of sides.sort((one, other) => other - one)) {
    const within = (limit) => Math.max(1, Math.floor(Math.min(most, limit) / side));
    let zoom = within(SHRINK * before);
    if (zoom * side < LEAST) zoom = within(before);
    found.set(side, zoom);
    before = zoom * side;
  }
  return found;
}

export function tileSize(column, zoom, off = 0) {
  if (column.classes) return [CLASS[Number(column.classes.some((name) => name.length > 3))] - off, 22];
  if (!column.map) return [TILE, FLAT];
  return column.size.map((side) => zoom.get(Math.max(...column.size)) * side).reverse();
}

function shelf(column, across, [width, height]) {
  const count = column.shown.length;
  const wide = Math.min(count, across);
  return { width, height, wide, high: Math.ceil(count / wide), count };
}

// Put `count` tiles into rows of `wide`, `pitch` apart, the first at (x, y).
function tiles({ width, height, wide, count }, x, y, downwards, high, pitch, gap = GAP) {
  return Array.from({ length: count }, (_none, i) => {
    const [row, col] = downwards ? [i % high, Math.floor(i / high)] : [Math.floor(i / wide), i % wide];
    return { x: x + col * (width + gap), y: y + row * pitch + Math.floor((pitch - GAP - height) / 2), width, height };
  });
}

// Maps have one pitch in all layers, so that map k stands in one line as long as layers work on it alone.
function pitches(columns, sizes) {
  const maps = (column) => column.map || column.each[1] > 1;
  const most = Math.max(FLAT, ...columns.map((column, i) => (maps(column) && column.shown.length > 1 ? sizes[i][1] : 0)));
  return columns.map((column, i) => (maps(column) ? Math.max(most, sizes[i][1]) : sizes[i][1]) + GAP);
}

// The block that a layer stands in: its name without the last part.
const scopeOf = (column) => column.name.slice(0, Math.max(0, column.name.lastIndexOf(".")));

// What stands above the name of a column: the block that begins with it; of folded layers the block that they are, without
// what the one before said already, or the first of them.
export function above(column, before) {
  if (!column.holds.length) return scopeOf(column) !== (before ? scopeOf(before) : "") ? scopeOf(column) : "";
  if (column.block === column.holds[0]) return `${column.block} \u2013`;
  const [own, known] = [column.block.split("."), (before?.block ?? "").split(".")];
  return own.slice(own.length > 1 && own[0] === known[0] ? 1 : 0).join(".");
}

const scoped = (column) => Boolean(scopeOf(column) || column.holds.length);

const folds = (column) => column.shown.length < column.count || column.opened;

// Layers from left to right, branches below each other. Returns {width, height, bus, places: [{head, tiles, more}]}.
function across(columns, room, most, least = BETWEEN[0], off = 0) {
  const sizes = ((zoom) => columns.map((column) => tileSize(column, zoom, off)))(zooms(columns, most));
  const pitchOf = pitches(columns, sizes);
  const head = HEAD[Number(columns.some(scoped))];
  const laid = columns.map((column, i) => {
    const pitch = pitchOf[i];
    const size = shelf(column, Math.ceil(column.shown.length / (pitch > 2 * FLAT ? PER_COLUMN : 2 * PER_COLUMN)), sizes[i]);
    const high = Math.ceil(size.count / size.wide);
    return { size, high, pitch, width: Math.max(size.wide * (size.width + GAP) - GAP, TILE), height: head + high * pitch + (folds(column) ? 28 : 0) };
  });
  const spread = (key, measure) => {
    const most = [];
    columns.forEach((column, i) => { most[column[key]] = Math.max(most[column[key]] ?? 0, laid[i][measure]); });
    return most;
  };
  const starts = (sizes, gap) => sizes.reduce((at, size) => [...at, at[at.length - 1] + (size ?? 0) + gap], [4]);
  const widths = spread("depth", "width");
  const free = (room - 40 - widths.reduce((sum, width) => sum + width, 0)) / Math.max(1, widths.length - 1);
  const between = Math.min(BETWEEN[1], Math.max(least, Math.floor(free)));
  const lefts = starts(widths, between);
  const heights = spread("lane", "height");
  const tops = starts(heights, 14);
  const places = columns.map((column, i) => {
    const { size, high, pitch, width } = laid[i];
    const [x, y] = [lefts[column.depth], tops[column.lane]];
    const inner = size.wide * (size.width + GAP) - GAP;
    const tilesAt = tiles(size, x + Math.max(0, (width - inner) / 2), y + head, true, high, pitch);
    return { head: { x, y, width: width + between - 2 }, tiles: tilesAt, more: { x, y: y + head + high * pitch, width }, bottom: y + laid[i].height };
  });
  const bus = (from, to) => {
    const between = columns.map((column, i) => (column.depth > columns[from].depth && column.depth < columns[to].depth ? places[i].bottom : 0));
    return Math.max(...between) + 7; // below all that is passed by
  };
  return { width: lefts[lefts.length - 1] - between + 10, height: tops[heights.length] + 6, bus, places };
}

// Layers below each other, each as wide as the screen: for a phone.
function down(columns, room, most) {
  let y = 2;
  const zoom = zooms(columns, most);
  const places = columns.map((column) => {
    const tile = tileSize(column, zoom);
    const gap = column.classes ? APART : GAP;
    const size = shelf(column, Math.max(1, Math.floor((room - 30 + gap) / (tile[0] + gap))), tile);
    const head = { x: 2, y, width: room - 8 };
    const tilesAt = tiles(size, 4, y + 26, false, size.high, size.height + GAP, gap);
    const bottom = y + 26 + size.high * (size.height + GAP);
    const more = { x: 2, y: bottom, width: 110 };
    y = bottom + (folds(column) ? 28 : 0) + 26;
    return { head, tiles: tilesAt, more };
  });
  return { width: room, height: y, bus: () => room - 12, places };
}

// With large maps if that fits; with small ones; closer together if only that fits; else it is scrolled.
export function arrange(columns, room) {
  const [large, small] = TALLEST;
  if (room < NARROW) {
    const [high, low] = [down(columns, room, large), down(columns, room, small)];
    return { ...(high.height <= 1.15 * low.height ? high : low), downwards: true };
  }
  const ways = [[large], [small], [small, ...TIGHT]].map((way) => across(columns, room, ...way));
  const way = ways.find((one) => one.width <= room - MARGIN) ?? ways[1];
  return { ...way, tight: way === ways[2], downwards: false };
}

// The line of a link: from tile to tile; where there are layers in between, past them (at `bus`, else null).
export function route(from, to, downwards, bus) {
  if (downwards) {
    const [x1, y1, x2, y2] = [from.x + from.width / 2, from.y + from.height, to.x + to.width / 2, to.y];
    if (bus === null) return `M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`;
    return `M${x1} ${y1}C${bus} ${y1 + 6} ${bus} ${y1 + 10} ${bus} ${y1 + 24}V${y2 - 24}C${bus} ${y2 - 10} ${bus} ${y2 - 6} ${x2} ${y2}`;
  }
  const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
  if (bus === null) return `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`;
  return `M${x1} ${y1}C${x1 + 24} ${y1} ${x1 + 4} ${bus} ${x1 + 30} ${bus}H${x2 - 30}C${x2 - 4} ${bus} ${x2 - 24} ${y2} ${x2} ${y2}`;
}

// ------------------------------------------------------------------------------------ who feeds whom
// All links into column `to`: for each of its inputs a matrix, and what each map gets in total, hidden maps included.
export function shares(column) {
  const parts = column.fed.map(({ source, strength, rest }) => ({ source, strength: floats(strength), rest: floats(rest) }));
  const count = column.shown.length;
  const total = new Float64Array(count);
  for (const part of parts) {
    const wide = count ? part.strength.length / count : 0;
    part.wide = wide;
    for (let j = 0; j < count; j++) {
      for (let i = 0; i < wide; i++) total[j] += Math.abs(part.strength[j * wide + i]) || 0;
      total[j] += part.rest[j] || 0;
    }
  }
  return { parts, total };
}

// What feeds tile `j` of column `to`, and what that feeds: [{column, tile, share, lean}], strongest first.
export function feeding(links, to, j) {
  const { parts, total } = links[to];
  const found = [];
  let hidden = 0;
  for (const { source, strength, rest, wide } of parts) {
    hidden += (rest[j] || 0) / (total[j] || 1);
    for (let i = 0; i < wide; i++) {
      const value = strength[j * wide + i];
      if (value) found.push({ column: source, tile: i, share: Math.abs(value) / total[j], lean: Math.sign(value) });
    }
  }
  return { links: found.sort((one, other) => other.share - one.share), hidden };
}

export function fedBy(links, from, i) {
  const found = [];
  links.forEach(({ parts, total }, column) => {
    for (const { source, strength, wide } of parts) {
      if (source !== from) continue;
      for (let j = 0; j < total.length; j++) {
        const value = strength[j * wide + i];
        if (value) found.push({ column, tile: j, share: Math.abs(value) / total[j], lean: Math.sign(value) });
      }
    }
  });
  return found.sort((one, other) => other.share - one.share);
}

// ------------------------------------------------------------------------------------ drawing
function paint(canvas, [height, width], levels, table) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const row = 3 * levels[i];
    image.data[4 * i] = table[row];
    image.data[4 * i + 1] = table[row + 1];
    image.data[4 * i + 2] = table[row + 2];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const svg = (tag, attributes = {}) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

const span = ({ mode, low, high }) => (mode === "signed" ? `±${number(high, 2)}` : `${number(low, 2)}…${number(high, 2)}`);

// Where the chosen map stands: [column, tile]; -1 for the tile where it is folded away in the column; null where nowhere.
export function chosenIn({ columns, chosen, marked }) {
  const c = chosen ? columns.findIndex((column) => column.name === chosen[0]) : -1;
  if (c >= 0) return columns[c].shown.includes(chosen[1]) ? [c, columns[c].shown.indexOf(chosen[1])] : null;
  if (!marked || !columns[marked[0]]?.holds.includes(chosen?.[0])) return null;
  return [marked[0], marked[1] === null ? -1 : columns[marked[0]].shown.indexOf(marked[1])];
}

class Whole {
  constructor(root) {
    this.root = root;
    this.scroll = element("div", "scroll");
    this.stage = element("div", "stage", { role: "group" });
    this.lines = svg("svg", { "aria-hidden": "true", class: "lines" });
    this.quiet = svg("g", { class: "quiet" });
    this.lit = svg("g", { class: "lit" });
    this.lines.append(this.quiet, this.lit);
    this.says = element("p", "says", { "aria-live": "polite" });
    this.scroll.append(this.stage);
    root.replaceChildren(this.says, this.scroll);
    this.size = new ResizeObserver(() => this.data && this.resized());
    this.size.observe(root);
    this.pointed = null;
    this.listen();
  }

  show(data, tell) {
    this.tell = tell;
    this.data = data;
    for (const column of data.columns) column.opened = data.opened.includes(column.name);
    this.tables = { grey: bytes(data.grey), signed: bytes(data.signed), sequential: bytes(data.sequential) };
    this.links = data.columns.map(shares);
    const frame = JSON.stringify([data.text, data.columns.map((c) => [c.name, c.holds, c.kind, c.inputs, c.shape, c.shown, c.size, c.opened, c.classes])]);
    if (frame !== this.frame) {
      this.frame = frame;
      this.build();
      this.room = null;
    }
    this.fillIn();
    if (this.room === null) this.resized();
    else if (this.layout) this.drawQuiet();
    this.mark();
  }

  titleOf(column) {
    return this.data.text.names[column.name] && !column.kind ? this.data.text.names[column.name] : column.name;
  }

  aboutOf(column) {
    const about = `${this.titleOf(column)} · ${column.kind || ""} ${column.shape}`;
    const { holds } = column;
    return holds.length ? `${about}\n${fill(this.data.text.folded, { count: holds.length, list: holds.join(", ") })}` : about;
  }

  build() {
    const { columns, text } = this.data;
    this.stage.setAttribute("aria-label", text.label);
    const longest = Math.max(1, ...columns.flatMap((column) => column.classes ?? []).map((name) => name.length));
    this.stage.style.setProperty("--name", `${Math.min(76, 10 * longest + 2)}px`);
    this.nodes = columns.map((column, c) => {
      const head = element("div", `head ${column.inputs.length > 1 ? "join" : ""}`, { title: this.aboutOf(column) });
      const range = element("span", "range");
      const over = above(column, columns[c - 1]);
      const name = this.titleOf(column).slice(scopeOf(column) ? scopeOf(column).length + 1 : 0);
      head.append(element("span", over ? `scope ${column.holds.length ? "short" : ""}` : "scope inside", {}, over || scopeOf(column)), element("b", "", {}, name), element("span", "shape", {}, column.shape), range);
      const tilesHere = column.shown.map((item, t) => {
        const tile = element("button", `tile ${column.classes ? "class" : ""}`, { type: "button", "data-at": `${c},${t}`, tabindex: -1 });
        const canvas = element("canvas", "", { "aria-hidden": "true" });
        const share = element("span", "share", { "aria-hidden": "true" });
        tile.append(canvas, share);
        if (column.classes) {
          canvas.remove();
          const bar = element("i");
          bar.style.setProperty("--class", this.data.colours[item % this.data.colours.length]);
          tile.prepend(element("span", "name", {}, column.classes[t]), bar, element("span", "value"));
        }
        return tile;
      });
      const hidden = column.count - column.shown.length;
      const more = folds(column)
        ? element("button", "more", { type: "button", "data-column": c, "aria-expanded": !hidden, title: fill(hidden ? text.open : text.close, { layer: this.titleOf(column), count: hidden }) }, hidden ? `+${hidden}` : "\u2212")
        : null;
      return { head, range, tiles: tilesHere, more };
    });
    const all = this.nodes.flatMap(({ head, tiles: own, more }) => [head, ...own, ...(more ? [more] : [])]);
    this.stage.replaceChildren(this.lines, ...all);
    this.at = null;
    this.pointed = null;
  }

  // The numbers change, nothing moves.
  fillIn() {
    const { columns, text } = this.data;
    columns.forEach((column, c) => {
      const { tiles: own, range } = this.nodes[c];
      const levels = bytes(column.tiles);
      const one = column.size[0] * column.size[1];
      const limit = Math.max(1e-12, column.classes && column.low !== null ? Math.max(Math.abs(column.low), Math.abs(column.high)) : 1);
      range.textContent = column.mode === "grey" ? "" : column.low === null ? text.each : span(column);
      own.forEach((tile, t) => {
        const mean = column.means[t];
        const facts = { layer: this.titleOf(column), index: column.shown[t], mean: number(mean), class: column.classes?.[t] };
        const label = fill(column.classes ? text.class : column.map ? text.tile : column.each[1] > 1 ? text.strip : text.unit, facts);
        tile.setAttribute("aria-label", label);
        tile.title = label;
        if (column.classes) {
          const probs = column.kind === "Softmax" || column.name === "probs";
          tile.style.setProperty("--p", Math.min(1, Math.abs(mean ?? 0) / (probs ? 1 : limit)));
          tile.classList.toggle("below", mean < 0);
          tile.querySelector(".value").textContent = probs ? percent(mean) : number(mean, Math.abs(mean) < 1 ? 2 - Number(Math.abs(mean) < 0.1) : 3); // as wide as there is room for
        } else {
          paint(tile.firstChild, column.size, levels.subarray(t * one, (t + 1) * one), this.tables[column.mode]);
        }
      });
    });
  }

  resized() {
    const room = this.root.clientWidth;
    if (!room || (room === this.room && this.layout)) return;
    this.room = room;
    this.tall = 0;
    this.says.style.minHeight = "";
    const { columns } = this.data;
    this.layout = arrange(columns, room);
    const { places, width, height } = this.layout;
    this.stage.style.width = `${width}px`;
    this.stage.style.height = `${height}px`;
    for (const [name, value] of [["width", width], ["height", height]]) this.lines.setAttribute(name, value);
    this.root.classList.toggle("downwards", this.layout.downwards);
    this.root.classList.toggle("tight", Boolean(this.layout.tight));
    this.root.classList.toggle("plain", !columns.some(scoped));
    const put = (node, { x, y, width: w, height: h }) => {
      node.style.left = `${x}px`;
      node.style.top = `${y}px`;
      if (w) node.style.width = `${w}px`;
      if (h) node.style.height = `${h}px`;
    };
    this.nodes.forEach((node, c) => {
      put(node.head, places[c].head);
      node.tiles.forEach((tile, t) => put(tile, places[c].tiles[t]));
      if (node.more) put(node.more, places[c].more);
    });
    this.drawQuiet();
    this.light(this.pointed);
  }

  skips(from, to) {
    const { columns } = this.data;
    return this.layout.downwards ? to - from > 1 : columns[to].depth - columns[from].depth > 1;
  }

  line(from, i, to, j) {
    const { places } = this.layout;
    const bus = this.skips(from, to) ? this.layout.bus(from, to) : null;
    return route(places[from].tiles[i], places[to].tiles[j], this.layout.downwards, bus);
  }

  // Which layer feeds which, as thin lines: the strongest links of each pair of layers.
  drawQuiet() {
    const paths = [];
    this.links.forEach(({ parts, total }, to) => {
      for (const { source, strength, wide } of parts) {
        const order = [...strength.keys()].filter((k) => strength[k]).sort((a, b) =>
          Math.abs(strength[b]) / total[Math.floor(b / wide)] - Math.abs(strength[a]) / total[Math.floor(a / wide)]);
        const d = order.slice(0, FEW).map((k) => this.line(source, k % wide, to, Math.floor(k / wide))).join("");
        if (d) paths.push(svg("path", { d, class: this.skips(source, to) ? "skip" : "" }));
      }
    });
    this.quiet.replaceChildren(...paths);
  }

  // ---------------------------------------------------------------- pointing
  tileAt([c, t]) {
    return this.nodes[c]?.tiles[t];
  }

  chosenAt() {
    const at = chosenIn(this.data);
    return at && at[1] >= 0 ? at : null;
  }

  mark() {
    const chosen = this.chosenAt();
    this.stage.querySelectorAll('[aria-pressed="true"]').forEach((node) => node.setAttribute("aria-pressed", "false"));
    if (chosen) this.tileAt(chosen).setAttribute("aria-pressed", "true");
    const [inside] = chosen ? [-1] : (chosenIn(this.data) ?? [-1]);
    this.nodes.forEach(({ head }, c) => head.classList.toggle("inside-it", c === inside));
    this.reach(this.at && this.tileAt(this.at) ? this.at : chosen ?? [0, 0]);
    this.light(this.pointed);
  }

  reach(at) {
    this.stage.querySelectorAll('.tile[tabindex="0"]').forEach((node) => node.setAttribute("tabindex", "-1"));
    this.tileAt(at)?.setAttribute("tabindex", "0");
    this.at = at;
  }

  // Light what feeds the tile at `at` and what it feeds; without one the chosen tile's.
  light(at) {
    const here = at ?? this.chosenAt();
    this.stage.querySelectorAll(".near, .here").forEach((node) => {
      node.classList.remove("near", "here");
      node.querySelector(".share").textContent = "";
    });
    this.stage.classList.toggle("pointing", Boolean(at));
    if (!here || !this.layout) {
      this.lit.replaceChildren();
      this.says.textContent = this.hint();
      this.keepTall();
      return;
    }
    const [c, t] = here;
    const { links: into, hidden } = feeding(this.links, c, t);
    const out = fedBy(this.links, c, t);
    this.tileAt(here).classList.add("here");
    const paths = [];
    const draw = (link, d) => {
      const node = this.tileAt([link.column, link.tile]);
      node.classList.add("near");
      if (link.share >= 0.045) node.querySelector(".share").textContent = percent(link.share);
      const path = svg("path", { d, class: link.lean < 0 ? "minus" : "plus" });
      path.style.strokeWidth = `${(1 + 7 * link.share).toFixed(2)}px`;
      path.style.opacity = Math.min(1, 0.3 + 0.7 * link.share).toFixed(3);
      paths.push(path);
    };
    for (const link of into.slice().reverse()) draw(link, this.line(link.column, link.tile, c, t));
    for (const link of out.slice().reverse()) draw(link, this.line(c, t, link.column, link.tile));
    this.lit.replaceChildren(...paths);
    this.tell_(here, into, hidden, out);
  }

  // Nothing is pointed at: what to do, or where the chosen map is folded away.
  hint() {
    const { columns, chosen, text } = this.data;
    const [c] = chosenIn(this.data) ?? [-1];
    if (c < 0) return text.hint;
    const { block, holds } = columns[c];
    return `${fill(text.inside, { map: `${chosen[0]}[${chosen[1]}]`, block: block || `${holds[0]} \u2013 ${holds.at(-1)}` })} ${text.hint}`;
  }

  nameOf({ column, tile }) {
    const it = this.data.columns[column];
    const [item, each] = [it.shown[tile], it.each[1]];
    const address = `${it.name}[${it.map || each === 1 ? item : `${item * each}…${(item + 1) * each - 1}`}]`;
    const name = it.classes?.[tile];
    return name && name !== String(item) ? `${address} (${name})` : address;
  }

  tell_([c, t], into, hidden, out) {
    const { text, columns } = this.data;
    const list = (links) => links.slice(0, 4).map((link) => fill(link.lean < 0 ? text.down : text.up, { map: this.nameOf(link), share: percent(link.share) })).join(text.comma);
    const parts = [];
    if (into.length) parts.push(fill(text.gets, { list: list(into) }));
    if (hidden > 0.0005) parts.push(fill(text.hidden, { share: percent(hidden) }));
    if (out.length) parts.push(fill(text.gives, { list: list(out) }));
    const column = columns[c];
    const one = !column.map && column.each[1] === 1;
    const head = fill(one ? text.value : text.here, { map: this.nameOf({ column: c, tile: t }), mean: number(column.means[t]) });
    this.says.replaceChildren(element("b", "", {}, head), document.createTextNode(` ${parts.join(" ")}`));
    this.keepTall();
  }

  // The words never take less room than they have taken: the picture below would slip away from under the pointer,
  // which would point at something else, and so on without an end.
  keepTall() {
    const tall = this.says.offsetHeight;
    if (tall > (this.tall ?? 0)) this.says.style.minHeight = `${(this.tall = tall)}px`;
  }

  listen() {
    const place = (event) => {
      const tile = event.target.closest?.(".tile");
      return tile ? tile.dataset.at.split(",").map(Number) : null;
    };
    const point = (at) => {
      if (String(at) === String(this.pointed)) return;
      this.pointed = at;
      this.light(at);
    };
    this.stage.onpointerover = (event) => { if (event.pointerType !== "touch") point(place(event)); };
    this.stage.onpointerleave = () => point(null);
    this.stage.addEventListener("focusin", (event) => {
      const at = place(event);
      if (!at) return;
      this.reach(at);
      if (event.target.matches(":focus-visible")) point(at); // a click chooses, and lights anyway
    });
    this.stage.addEventListener("focusout", () => point(null));
    this.stage.onclick = (event) => {
      const more = event.target.closest(".more");
      if (more) return this.toggle(Number(more.dataset.column));
      const at = place(event);
      if (at) this.choose(at);
    };
    this.stage.onkeydown = (event) => {
      const at = place(event);
      if (at) this.key(event, at);
    };
  }

  choose([c, t]) {
    const column = this.data.columns[c];
    this.data.chosen = [column.name, column.shown[t]];
    this.mark();
    this.tell("chosen", this.data.chosen);
  }

  toggle(c) {
    const { opened, columns } = this.data;
    const { name } = columns[c];
    this.tell("opened", opened.includes(name) ? opened.filter((one) => one !== name) : [...opened, name]);
  }

  // Left and right go to the layers that feed and are fed, up and down along the maps of a layer.
  key(event, [c, t]) {
    const { columns } = this.data;
    const [before, after, back, on] = this.layout.downwards
      ? ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]
      : ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
    const fed = columns.findIndex((column) => column.inputs.includes(c));
    const to = {
      [before]: columns[c].inputs.length ? [columns[c].inputs[0], t] : null,
      [after]: fed < 0 ? null : [fed, t],
      [back]: [c, t - 1],
      [on]: [c, t + 1],
      Home: [0, 0],
      End: [columns.length - 1, 0],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    const [column, tile] = [to[0], Math.min(Math.max(0, to[1]), columns[to[0]].shown.length - 1)];
    const node = this.tileAt([column, tile]);
    node.focus();
    node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  leave() {
    this.size.disconnect();
  }
}

const views = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".whole-root");
  let view = views.get(root);
  if (!view) views.set(root, (view = new Whole(root)));
  view.show(data, setStateValue);
  return () => { view.leave(); views.delete(root); };
}
