// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { Courier, GRID, Strokes, best, fill, pack, paint, percent } from "../../assets/components/canvas.js"

class Clock {
  time = 1000
  jobs = new Map()
  next = 1
  now = () => this.time
  later = (job, ms) => (this.jobs.set(this.next, [this.time + ms, job]), this.next++)
  cancel = (id) => this.jobs.delete(id)
  pass(ms) {
    const until = this.time + ms
    for (;;) {
      const due = [...this.jobs].filter(([, [at]]) => at <= until).sort((a, b) => a[1][0] - b[1][0])[0]
      if (!due) break
      this.jobs.delete(due[0])
      this.time = Math.max(this.time, due[1][0])
      due[1][1]()
    }
    this.time = until
  }
}

const courier = () => {
  const clock = new Clock(), sent = []
  return { clock, sent, it: new Courier((m) => sent.push(m), clock) }
}

test("a stroke is whole numbers, and points that hardly differ are one", () => {
  const strokes = new Strokes()
  strokes.begin(0.075, 0.5, 0.5)
  assert.equal(strokes.extend(0.501, 0.5), false)
  assert.equal(strokes.extend(0.6, 0.7), true)
  assert.deepEqual(strokes.list, [[150, 1000, 1000, 1200, 1400]])
})

test("a pointer far outside leaves the line at the edge", () => {
  const strokes = new Strokes()
  strokes.begin(0.1, -5, 9)
  assert.deepEqual(strokes.list, [[200, -40, 2040]])
})

test("undo takes back strokes one by one, and brings back what clear removed", () => {
  const strokes = new Strokes([[100, 1, 2], [100, 3, 4]])
  assert.equal(strokes.clear(), true)
  assert.equal(strokes.clear(), false)
  assert.equal(strokes.blank, true)
  assert.equal(strokes.undo(), true)
  assert.deepEqual(strokes.list, [[100, 1, 2], [100, 3, 4]])
  strokes.undo()
  assert.deepEqual(strokes.list, [[100, 1, 2]])
  strokes.undo()
  assert.equal(strokes.undo(), false)
})

test("drawing after clear lets go of what was cleared", () => {
  const strokes = new Strokes([[100, 1, 2]])
  strokes.clear()
  strokes.begin(0.1, 0.5, 0.5)
  strokes.undo()
  assert.equal(strokes.undo(), false)
})

test("nothing is drawn between strokes, and broken strokes are left out", () => {
  const strokes = new Strokes([[1], "x", null, [100, 1, 2], [100, 0.5, 2]])
  assert.deepEqual(strokes.list, [[100, 1, 2]])
  assert.equal(strokes.extend(0.9, 0.9), false)
})

test("a drawing without end is not taken without end", () => {
  const strokes = new Strokes(Array.from({ length: 400 }, () => [100, 1, 2]))
  assert.equal(strokes.begin(0.1, 0.5, 0.5), false)
  assert.equal(strokes.list.length, 400)
})

test("only the box with ink is sent", () => {
  const alpha = new Uint8Array(GRID * GRID)
  alpha[5 * GRID + 7] = 255
  alpha[6 * GRID + 9] = 128
  const { box, ink } = pack(alpha, GRID)
  assert.deepEqual(box, [5, 7, 2, 3])
  assert.deepEqual([...atob(ink)].map((c) => c.charCodeAt(0)), [255, 0, 0, 0, 0, 128])
  assert.deepEqual(pack(new Uint8Array(GRID * GRID), GRID), { box: [0, 0, 0, 0], ink: "" })
})

test("strokes are painted at the size asked for: the same drawing on any screen", () => {
  const calls = []
  const context = new Proxy({}, {
    get: (_, name) => (...args) => calls.push([name, ...args]),
    set: (_, name, value) => (calls.push([name, value]), true),
  })
  paint(context, [[200, 1000, 500, 2000, 500]], 100, "#000")
  assert.deepEqual(calls.filter(([name]) => ["lineWidth", "moveTo", "lineTo"].includes(name)),
    [["lineWidth", 10], ["moveTo", 50, 25], ["lineTo", 100, 25]])
})

test("while a stroke is drawn one message is out at a time, 120 ms apart, and the newest wins", () => {
  const { clock, sent, it } = courier()
  it.offer(() => ({ at: "first" }))
  it.offer(() => ({ at: "second" }))
  clock.pass(200)
  it.offer(() => ({ at: "third" }))
  assert.deepEqual(sent, [{ n: 1, at: "first" }])
  it.answered(1)
  assert.deepEqual(sent[1], { n: 2, at: "third" })
  it.answered(2)
  it.offer(() => ({ at: "fourth" }))
  assert.equal(sent.length, 2)
  clock.pass(120)
  assert.equal(sent.length, 3)
})

test("the end of a stroke waits for nothing", () => {
  const { sent, it } = courier()
  it.offer(() => ({}))
  it.offer(() => ({ end: true }), true)
  assert.deepEqual(sent, [{ n: 1 }, { n: 2, end: true }])
  it.answered(1)
  assert.equal(it.waiting, true)
  it.answered(2)
  assert.equal(it.waiting, false)
})

test("an answer that never comes is asked for again, and said", () => {
  const { clock, sent, it } = courier()
  let lost = 0
  it.onlost = () => lost++
  it.offer(() => ({ end: true }), true)
  clock.pass(3100)
  assert.deepEqual([lost, sent.length, sent[1]], [1, 2, { n: 2, end: true }])
  it.answered(2)
  clock.pass(60_000)
  assert.equal(sent.length, 2)
})

test("numbers and words", () => {
  assert.equal(percent(0.98765), "98.8%")
  assert.equal(best([0.1, 0.7, 0.2]), 1)
  assert.equal(fill("{percent} sure, {other}", { percent: "9%" }), "9% sure, ")
})
