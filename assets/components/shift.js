// The input to be pushed around: drag it, or press the arrow keys; it moves here at once, and the lab is asked what the
// network makes of it (state "by": [right, down] in pixels), one question at a time.
// data: {picture: {rgb, size}, by, furthest, text}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
export const within = (by, furthest) => by.map((one) => Math.min(furthest, Math.max(-furthest, Math.round(one))));

// Where the picture lies after the pointer has gone from `from` to `to` (screen pixels), `zoom` of them for each of its own.
export const dragged = (start, from, to, zoom, furthest) =>
  within([start[0] + (to[0] - from[0]) / zoom, start[1] + (to[1] - from[1]) / zoom], furthest);

// Move RGB bytes by whole pixels; black comes in.
export function moved(rgb, [height, width], [right, down]) {
  const out = new Uint8Array(rgb.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [fromY, fromX] = [y - down, x - right];
      if (fromY < 0 || fromY >= height || fromX < 0 || fromX >= width) continue;
      for (let k = 0; k < 3; k++) out[3 * (y * width + x) + k] = rgb[3 * (fromY * width + fromX) + k];
    }
  return out;
}

// How far it lies from its place: "→ 3 px ↑ 1 px".
export const way = ([right, down]) => `${right < 0 ? "←" : "→"} ${Math.abs(right)} px ${down < 0 ? "↑" : "↓"} ${Math.abs(down)} px`;

// One question at a time: while one is under way only the newest of those that follow is kept.
export class Asking {
  constructor(send) {
    this.send = send;
    this.under = null;
    this.next = null;
  }
  ask(by) {
    if (this.under) this.next = by;
    else this.send((this.under = by));
  }
  answered(by) {
    if (!this.under || String(by) !== String(this.under)) return;
    this.under = null;
    const next = this.next;
    this.next = null;
    if (next && String(next) !== String(by)) this.ask(next);
  }
}

class Pushed {
  constructor(root) {
    root.innerHTML = '<canvas class="picture" tabindex="0" role="application"></canvas><div class="line"><p class="by" aria-live="polite"></p><button type="button" class="back"></button></div><p class="keys"></p>';
    this.canvas = root.querySelector("canvas");
    this.said = root.querySelector(".by");
    this.back = root.querySelector(".back");
    this.keys = root.querySelector(".keys");
    this.by = [0, 0];
    this.asking = new Asking((by) => this.tell("by", by));
    this.listen();
  }

  show(data, tell) {
    this.tell = tell;
    this.data = data;
    const { text, picture } = data;
    this.canvas.setAttribute("aria-label", text.picture);
    this.back.textContent = text.back;
    this.keys.textContent = text.keys;
    this.rgb = bytes(picture.rgb);
    if (!this.asking.under && !this.hand) this.by = data.by;
    this.asking.answered(data.by);
    this.draw();
  }

  draw() {
    const [height, width] = this.data.picture.size;
    this.canvas.width = width;
    this.canvas.height = height;
    const image = new ImageData(width, height);
    const rgb = moved(this.rgb, [height, width], this.by);
    for (let i = 0; i < width * height; i++) image.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    this.said.textContent = way(this.by);
    this.back.disabled = !this.by[0] && !this.by[1];
  }

  move(by) {
    if (String(by) === String(this.by)) return;
    this.by = by;
    this.draw();
    this.asking.ask(by);
  }

  listen() {
    const at = (event) => [event.clientX, event.clientY];
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.hand = { from: at(event), start: this.by };
    };
    this.canvas.onpointermove = (event) => {
      if (!this.hand) return;
      const zoom = this.canvas.getBoundingClientRect().width / this.canvas.width;
      this.move(dragged(this.hand.start, this.hand.from, at(event), zoom, this.data.furthest));
    };
    this.canvas.onpointerup = this.canvas.onpointercancel = () => { this.hand = null; };
    this.canvas.onkeydown = (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step && event.key !== "Home") return;
      event.preventDefault();
      this.move(step ? within([this.by[0] + step[0], this.by[1] + step[1]], this.data.furthest) : [0, 0]);
    };
    this.back.onclick = () => this.move([0, 0]);
  }
}

const views = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".shift-root");
  let view = views.get(root);
  if (!view) views.set(root, (view = new Pushed(root)));
  view.show(data, setStateValue);
}
