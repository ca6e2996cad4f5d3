// A drawing surface with its answer beside it: strokes go to the lab as a small grey grid, probabilities come back
// as `data` and are drawn here, so that nothing else on the page has to change while a stroke is drawn.
//
// data: {answered, mode: "draw"|"show", space, brush, sketch: {strokes}|null, picture, picture_alt, classes, colours,
//        models: [{name, probs|null, note?: in place of blank}], blank, note, labels, small: the surface alone, low: room for more below it}
// sends: setStateValue("sketch", {n, end, box: [top, left, height, width], ink: base64, strokes?}),
//        setStateValue("brush", hundredths of the side) when another brush was chosen

export const GRID = 112 // four times the 28 pixels a digit is given: centring by mass stays exact to a quarter pixel
const EVERY_MS = 120
const LOST_MS = 3000
const UNIT = 2000 // strokes are kept in whole 1/2000 of the side
const MAX_STROKES = 400
const MAX_NUMBERS = 40000

// ---------------------------------------------------------------- strokes: [width, x0, y0, x1, y1, ...] in 1/UNIT
export class Strokes {
  constructor(list = []) {
    this.list = list.filter((s) => Array.isArray(s) && s.length >= 3 && s.every(Number.isInteger))
    this.gone = []
    this.open = false
  }
  get blank() { return this.list.length === 0 }
  get full() { return this.list.length >= MAX_STROKES || this.list.reduce((n, s) => n + s.length, 0) >= MAX_NUMBERS }
  begin(width, x, y) {
    if (this.full) return false
    this.list.push([Math.round(width * UNIT), ...at(x, y)])
    this.gone = []
    return (this.open = true)
  }
  extend(x, y) {
    if (!this.open || this.full) return false
    const stroke = this.list[this.list.length - 1]
    const [px, py] = at(x, y)
    if (Math.hypot(px - stroke[stroke.length - 2], py - stroke[stroke.length - 1]) < UNIT / 400) return false
    stroke.push(px, py)
    return true
  }
  end() { const was = this.open; this.open = false; return was }
  // Undo takes back the last stroke, or brings back what `clear` removed.
  undo() {
    this.open = false
    if (this.list.length) this.list.pop()
    else if (this.gone.length) { this.list = this.gone; this.gone = [] }
    else return false
    return true
  }
  clear() {
    this.open = false
    if (!this.list.length) return false
    this.gone = this.list
    this.list = []
    return true
  }
  get undoable() { return this.list.length > 0 || this.gone.length > 0 }
}

const at = (x, y) => [x, y].map((v) => Math.round(Math.min(1.02, Math.max(-0.02, v)) * UNIT))

export function paint(context, strokes, side, colour) {
  context.clearRect(0, 0, side, side)
  context.strokeStyle = context.fillStyle = colour
  context.lineCap = context.lineJoin = "round"
  const k = side / UNIT
  for (const [width, ...p] of strokes) {
    context.lineWidth = width * k
    context.beginPath()
    context.moveTo(p[0] * k, p[1] * k)
    if (p.length === 2) context.lineTo(p[0] * k + 0.01, p[1] * k)
    // through the middles of neighbouring points: a hand's curve, whatever the pointer's rate
    for (let i = 2; i < p.length - 2; i += 2)
      context.quadraticCurveTo(p[i] * k, p[i + 1] * k, ((p[i] + p[i + 2]) / 2) * k, ((p[i + 1] + p[i + 3]) / 2) * k)
    if (p.length > 2) context.lineTo(p[p.length - 2] * k, p[p.length - 1] * k)
    context.stroke()
  }
}

// The part of `alpha` (side x side) that holds ink, and its bytes as base64; an empty box where there is none.
export function pack(alpha, side) {
  let top = side, left = side, bottom = -1, right = -1
  for (let i = 0; i < alpha.length; i++)
    if (alpha[i]) {
      const y = Math.floor(i / side), x = i % side
      if (y < top) top = y
      if (y > bottom) bottom = y
      if (x < left) left = x
      if (x > right) right = x
    }
  if (bottom < 0) return { box: [0, 0, 0, 0], ink: "" }
  let bytes = ""
  for (let y = top; y <= bottom; y++)
    for (let x = left; x <= right; x++) bytes += String.fromCharCode(alpha[y * side + x])
  return { box: [top, left, bottom - top + 1, right - left + 1], ink: btoa(bytes) }
}

// Called through arrows: setTimeout and clearTimeout refuse to be methods of anything but the window.
const CLOCK = { now: () => performance.now(), later: (call, ms) => setTimeout(call, ms), cancel: (timer) => clearTimeout(timer) }

// Sends the newest message: while a stroke is drawn at most every EVERY_MS and never with an answer still out;
// the end of a stroke goes at once. An answer that does not come (a lost connection) is asked for again.
export class Courier {
  constructor(send, clock = CLOCK, first = 0) {
    Object.assign(this, { send, clock, n: first, out: 0, last: -Infinity, make: null, timer: null })
  }
  offer(make, end = false) {
    this.make = make
    this.end = end
    this.pump()
  }
  answered(n) {
    if (!this.out || n < this.out) return
    this.out = 0
    this.sent = null
    this.pump()
  }
  pump() {
    const { now, later, cancel } = this.clock
    cancel(this.timer)
    const wait = this.end ? 0 : Math.max(this.out ? this.last + LOST_MS - now() : 0, this.last + EVERY_MS - now())
    if (this.make && wait <= 0) {
      this.sent = this.make
      this.out = ++this.n
      this.last = now()
      this.send({ n: this.out, ...this.make() })
      this.make = null
      this.end = false
    }
    if (this.make) this.timer = later(() => this.pump(), wait)
    else if (this.out) this.timer = later(() => this.again(), LOST_MS)
  }
  again() { this.onlost?.(); this.offer(this.sent, true) }
  get waiting() { return this.out > 0 }
  stop() { this.clock.cancel(this.timer) }
}

export const percent = (p) => `${(100 * p).toFixed(1)}%`
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "")
export const best = (probs) => probs.reduce((top, p, i) => (p > probs[top] ? i : top), 0)

// ---------------------------------------------------------------- the surface
const PEN_STEP = 0.02
const RING_MS = 900
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const ICONS = {
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  clear: "M4 7h16M10 11v6M14 11v6M6 7l1 13h10l1-13M9 7V4h6v3",
}

function element(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props)
  for (const [name, value] of Object.entries(props)) if (name.includes("-") || name === "role") made.setAttribute(name, value)
  made.append(...children)
  return made
}

function button(name, icon) {
  const made = element("button", { type: "button", className: `tool ${name}` })
  made.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${icon}"/></svg><span></span>`
  return made
}

class Surface {
  constructor(root) {
    this.root = element("div", { className: "draw" })
    root.append(this.root)
    this.strokes = new Strokes()
    this.pen = { x: 0.5, y: 0.35, shown: false }
    this.grid = element("canvas", { width: GRID, height: GRID }).getContext("2d", { willReadFrequently: true })
    this.courier = new Courier((message) => this.send(message), undefined, Date.now() % 1e9)
    this.courier.onlost = () => (this.status.textContent = this.data.labels.waiting)
    this.build()
    this.listen()
    this.size = new ResizeObserver(() => this.fit())
    this.size.observe(this.canvas)
  }

  build() {
    this.canvas = element("canvas", { className: "paper", tabIndex: 0, role: "application" })
    this.hint = element("p", { className: "hint", "aria-hidden": "true" })
    this.cursor = element("i", { className: "pen", hidden: true })
    this.ring = element("i", { className: "ring", hidden: true })
    this.picture = element("img", { className: "picture", hidden: true })
    this.badge = element("p", { className: "badge", "aria-hidden": "true" })
    this.brush = element("input", { type: "range", min: 3, max: 14, step: 0.5, value: 7.5 })
    this.brushName = element("span")
    this.dot = element("i", { className: "dot" })
    this.undo = button("undo", ICONS.undo)
    this.clear = button("clear", ICONS.clear)
    this.status = element("span", { className: "status", role: "status" })
    this.keys = element("p", { className: "keys", id: "canvas-keys" })
    this.canvas.setAttribute("aria-describedby", "canvas-keys")
    const label = element("label", { className: "brush" }, this.brushName, this.brush, element("span", { className: "well" }, this.dot))
    this.tools = element("div", { className: "tools" }, label, this.undo, this.clear)
    this.sheet = element("div", { className: "sheet" }, this.canvas, this.hint, this.cursor, this.ring, this.picture, this.badge)
    this.heads = element("div", { className: "heads" })
    this.bars = element("div", { className: "bars", role: "table" })
    this.said = element("p", { className: "hidden", "aria-live": "polite" })
    this.note = element("p", { className: "note" })
    this.root.append(
      element("div", { className: "left" }, this.sheet, this.tools, this.keys),
      element("div", { className: "right" }, this.heads, this.bars, this.note, this.status, this.said),
    )
  }

  listen() {
    const canvas = this.canvas
    const place = (event) => {
      const box = canvas.getBoundingClientRect()
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    }
    canvas.onpointerdown = (event) => {
      if (this.pointer !== undefined || event.button > 0) return // a second finger, or another mouse button: not ink
      event.preventDefault()
      this.root.classList.add("hand") // a hand needs no frame around what it draws on
      canvas.focus({ preventScroll: true })
      this.lift()
      this.pointer = event.pointerId
      try { canvas.setPointerCapture(event.pointerId) } catch { /* already lifted */ }
      this.strokes.begin(this.width, ...place(event))
      this.changed()
    }
    canvas.onpointerleave = () => (this.ring.hidden = true)
    canvas.onpointermove = (event) => {
      if (event.pointerType === "mouse") this.showRing(...place(event))
      if (event.pointerId !== this.pointer) return
      const all = event.getCoalescedEvents?.() ?? []
      let moved = false
      for (const each of all.length ? all : [event]) moved = this.strokes.extend(...place(each)) || moved
      if (moved) this.changed()
    }
    canvas.onpointerup = canvas.onpointercancel = canvas.onlostpointercapture = (event) => {
      if (event.pointerId !== this.pointer) return
      this.pointer = undefined
      this.strokes.end()
      this.changed(true)
    }
    canvas.onkeydown = (event) => this.key(event)
    canvas.onblur = () => { this.lift(); this.pen.shown = false; this.showPen() }
    canvas.oncontextmenu = (event) => event.preventDefault()
    this.undo.onclick = () => this.strokes.undo() && this.changed(true)
    this.clear.onclick = () => this.strokes.clear() && this.changed(true)
    this.brush.oninput = () => {
      this.showBrush()
      this.showRing(0.5, 0.5) // as wide as it will draw
      clearTimeout(this.ringing)
      this.ringing = setTimeout(() => (this.ring.hidden = true), RING_MS)
    }
    this.brush.onchange = () => this.tell("brush", Number(this.brush.value))
  }

  get width() { return Number(this.brush.value) / 100 }

  key(event) {
    const move = MOVES[event.key]
    const undoing = event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey))
    if (!move && !undoing && ![" ", "Escape", "Delete"].includes(event.key)) return
    if (event.key === "Escape" && !this.strokes.open) return
    event.preventDefault()
    event.stopPropagation()
    if (undoing) { if (this.strokes.undo()) this.changed(true) }
    else if (event.key === "Delete") { if (this.strokes.clear()) this.changed(true) }
    else if (move) {
      const step = event.shiftKey ? 3 * PEN_STEP : PEN_STEP
      this.pen.x = Math.min(1, Math.max(0, this.pen.x + move[0] * step))
      this.pen.y = Math.min(1, Math.max(0, this.pen.y + move[1] * step))
      if (this.strokes.extend(this.pen.x, this.pen.y)) this.changed()
    } else if (this.strokes.open) this.lift()
    else if (event.key === " " && this.strokes.begin(this.width, this.pen.x, this.pen.y)) this.changed()
    this.root.classList.remove("hand")
    this.pen.shown = true
    this.showPen()
  }

  lift() { if (this.pointer === undefined && this.strokes.end()) this.changed(true) }

  showPen() {
    this.cursor.hidden = !this.pen.shown
    this.cursor.classList.toggle("down", this.strokes.open)
    this.cursor.style.cssText = `left:${100 * this.pen.x}%;top:${100 * this.pen.y}%;width:${100 * this.width}%`
  }

  showRing(x, y) {
    this.ring.hidden = false
    this.ring.style.cssText = `left:${100 * x}%;top:${100 * y}%;width:${100 * this.width}%`
  }

  showBrush() {
    this.dot.style.width = `${(100 * this.brush.value) / this.brush.max}%` // of a place as large as the widest
    this.showPen()
  }

  fit() {
    const side = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1))
    if (!side) return
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side
    this.redraw()
    this.showBrush()
  }

  redraw() {
    paint(this.canvas.getContext("2d"), this.strokes.list, this.canvas.width, getComputedStyle(this.canvas).color)
    this.hint.hidden = !this.strokes.blank
    this.undo.disabled = !this.strokes.undoable
    this.clear.disabled = this.strokes.blank
    this.nameUndo()
  }

  message(end) {
    paint(this.grid, this.strokes.list, GRID, "#000")
    const rgba = this.grid.getImageData(0, 0, GRID, GRID).data
    const alpha = new Uint8Array(GRID * GRID)
    for (let i = 0; i < alpha.length; i++) alpha[i] = rgba[4 * i + 3]
    const packed = pack(alpha, GRID)
    return end ? { end, ...packed, strokes: this.strokes.list } : { end, ...packed }
  }

  send(message) {
    this.root.dataset.sent = message.n
    this.tell("sketch", message)
  }

  changed(end = false) {
    cancelAnimationFrame(this.frame)
    this.frame = requestAnimationFrame(() => this.redraw())
    this.courier.offer(() => this.message(end), end)
    this.root.dataset.state = "asked"
  }

  // ---------------------------------------------------------------- the answer
  show(data, tell) {
    this.tell = tell
    this.data = data
    this.label(data)
    if (this.space !== data.space) {
      this.space = data.space // another workspace is another person: nothing is carried over
      if (data.brush) this.brush.value = data.brush
      const before = remembered.get(data.space)
      this.strokes = before?.strokes ?? new Strokes(data.sketch?.strokes)
      remembered.clear()
      remembered.set(data.space, { strokes: this.strokes })
      if (before?.unsent) this.changed(true)
    }
    if (data.wipe !== this.wiped && this.wiped !== undefined && this.strokes.clear()) this.changed(true) // it was kept
    this.wiped = data.wipe
    const drawing = data.mode === "draw"
    this.canvas.hidden = this.tools.hidden = this.keys.hidden = !drawing
    this.picture.hidden = drawing || !data.picture
    if (!drawing && data.picture) Object.assign(this.picture, { src: data.picture, alt: data.picture_alt })
    this.root.classList.toggle("empty", !drawing && !data.picture)
    this.root.classList.toggle("small", Boolean(data.small))
    this.root.classList.toggle("low", Boolean(data.low))
    this.courier.answered(data.answered)
    if (!this.courier.waiting) {
      this.status.textContent = ""
      if (this.root.dataset.state === "asked" && !this.courier.make) this.root.dataset.state = "answered"
    }
    this.showHeads()
    this.showBadge()
    this.showBars()
    this.note.textContent = data.note ?? ""
    this.fit()
    if (!drawing) this.hint.hidden = true
    if (!this.strokes.open) this.said.textContent = this.heads.textContent
    this.root.dataset.answered = data.answered
  }

  label({ labels }) {
    this.canvas.setAttribute("aria-label", labels.canvas)
    this.hint.textContent = labels.hint
    this.brushName.textContent = labels.brush
    for (const tool of [this.undo, this.clear]) {
      const name = labels[tool === this.undo ? "undo" : "clear"]
      tool.lastChild.textContent = tool.title = name
    }
    this.nameUndo()
    this.keys.textContent = labels.keys
    this.bars.setAttribute("aria-label", labels.bars)
  }

  // On a canvas that was cleared, undo brings the drawing back: it says so.
  nameUndo() {
    if (!this.data) return
    const { undo, restore } = this.data.labels
    this.undo.lastChild.textContent = this.undo.title = (this.strokes.blank && this.strokes.undoable && restore) || undo
  }

  showHeads() {
    const { models, classes, labels } = this.data
    this.heads.className = `heads of${models.length}`
    this.root.classList.toggle("many", models.length > 1)
    this.heads.replaceChildren(
      ...models.map(({ name, probs, note }) => {
        const top = probs ? best(probs) : -1
        const answer = element("strong", { textContent: probs ? classes[top] : "–" })
        const sure = probs ? fill(labels.sure, { percent: percent(probs[top]) }) : note || labels.blank
        return element("div", {}, element("small", { textContent: name, title: name }), answer, element("span", { textContent: sure }))
      }),
    )
  }

  showBadge() {
    const { models, classes } = this.data
    const parts = models.filter(({ probs }) => probs).map(({ probs }) => [best(probs), probs])
    this.badge.replaceChildren(
      ...parts.flatMap(([top, probs]) => [element("b", { textContent: classes[top] }), `${percent(probs[top])}  `]),
    )
  }

  showBars() {
    const { models, classes, colours } = this.data
    const shape = `${models.length}/${classes.join("/")}`
    if (this.shape !== shape) {
      this.shape = shape
      this.bars.style.setProperty("--models", models.length)
      this.bars.style.setProperty("--rows", classes.length)
      this.bars.classList.toggle("words", classes.some((name) => name.length > 1))
      this.bars.replaceChildren(
        ...classes.map((name, k) => {
          const cells = models.map(() =>
            element("div", { className: "cell", role: "cell" }, element("i"), element("b")))
          const row = element("div", { className: "row", role: "row" }, element("span", { textContent: name, role: "rowheader" }), ...cells)
          row.style.setProperty("--class", colours[k % colours.length])
          return row
        }),
      )
    }
    const tops = models.map(({ probs }) => (probs ? best(probs) : -1))
    classes.forEach((_, k) => {
      const row = this.bars.children[k]
      row.classList.toggle("top", tops[0] === k)
      models.forEach(({ probs }, m) => {
        const cell = row.children[m + 1]
        cell.classList.toggle("first", tops[m] === k)
        cell.firstChild.style.setProperty("--p", probs ? probs[k] : 0)
        cell.lastChild.textContent = probs ? percent(probs[k]) : "–"
      })
    })
  }

  leave() {
    this.strokes.end()
    if (this.courier.waiting || this.courier.make) remembered.set(this.space, { strokes: this.strokes, unsent: true })
    this.size.disconnect()
    this.courier.stop()
    clearTimeout(this.ringing)
    cancelAnimationFrame(this.frame)
  }
}

const remembered = new Map() // the drawing outlives its element: a page left and opened again
const surfaces = new WeakMap() // one for each place in the page; Streamlit calls again for each answer

export default function ({ data, parentElement, setStateValue }) {
  let surface = surfaces.get(parentElement)
  if (!surface || !parentElement.contains(surface.root)) {
    surface?.leave()
    surfaces.set(parentElement, (surface = new Surface(parentElement)))
  }
  surface.show(data, setStateValue)
  return () => { surface.leave(); surfaces.delete(parentElement); surface.root.remove() }
}
