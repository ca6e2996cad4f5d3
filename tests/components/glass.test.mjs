// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { ACTIVATIONS, blank, cellSize, field, number, place, readWeight, sumText, termsAt, totalOf, usesOf } from "../../assets/components/glass.js"

const before = { shape: [1, 4, 5], numbers: Float64Array.from({ length: 20 }, (_none, i) => i) } // 4 rows of 5
const stage = (more) => ({ kernel: [[1, 0, 0, -1]], window: [2, 1, 0, 1], bias: 0, reflect: false, shape: [1, 3, 4], ...more })
const TEXT = { rest: "{others} from {count} more", bias: "{bias} of bias" }

test("a sum is its products and the bias", () => {
  const terms = termsAt(before, stage(), 1, 2)
  assert.deepEqual(terms.map((t) => t.value), [7, 8, 12, 13])
  assert.deepEqual(terms.map((t) => t.at), [[0, 1, 2], [0, 1, 3], [0, 2, 2], [0, 2, 3]])
  assert.equal(totalOf(terms, 0.5), 7 - 13 + 0.5)
})

test("on a rim of zeros there is no pixel, on a mirrored one there is", () => {
  assert.equal(place(-1, 5, false), null)
  assert.deepEqual([-2, -1, 0, 4, 5, 6].map((p) => place(p, 5, true)), [2, 1, 0, 4, 3, 2])
  const padded = stage({ window: [2, 1, 1, 1] })
  assert.deepEqual(termsAt(before, padded, 0, 0).map((t) => t.at), [null, null, null, [0, 0, 0]])
  assert.deepEqual(termsAt(before, { ...padded, reflect: true }, 0, 0).map((t) => t.value), [6, 5, 1, 0])
})

test("what a number reaches, and with which weight: the kernel turned by half a turn", () => {
  const kernel = { kernel: [[1, 2, 3, 4, 5, 6, 7, 8, 9]], window: [3, 1, 1, 1], reflect: false, shape: [1, 4, 5] }
  assert.deepEqual(usesOf(before, kernel, 0, 1, 2).map((u) => u.factor), [9, 8, 7, 6, 5, 4, 3, 2, 1])
  assert.deepEqual(usesOf(before, kernel, 0, 0, 0), [{ row: 0, col: 0, factor: 5 }, { row: 0, col: 1, factor: 4 }, { row: 1, col: 0, factor: 2 }, { row: 1, col: 1, factor: 1 }])
  assert.deepEqual(usesOf(before, stage({ window: [2, 3, 0, 1], shape: [1, 1, 2] }), 0, 2, 2), [])
})

test("a mirrored rim brings a number to one output more than once: its weights are added", () => {
  const mirrored = { kernel: [[1, 2, 4, 8, 16, 32, 64, 128, 256]], window: [3, 1, 1, 1], reflect: true, shape: [1, 4, 5] }
  const uses = usesOf(before, mirrored, 0, 1, 1)
  assert.deepEqual(uses.find((u) => u.row === 0 && u.col === 0), { row: 0, col: 0, factor: 1 + 4 + 64 + 256 })
})

test("weights as people type them", () => {
  const good = { "2": 2, "-0.5": -0.5, "1/9": 0.1111, "\u22121": -1, " 3 ": 3, "0,25": 0.25, ".5": 0.5, "+4": 4, "-1/4": -0.25, "-0": 0, "2.": 2, "1000": 1000 }
  for (const [text, value] of Object.entries(good)) assert.equal(readWeight(text), value, text)
  for (const bad of ["", "a", "1/0", "1/", "--1", "1001", "-1e9", "1e3", "NaN", "Infinity", "0x10", "1 2", "1/2/3", "."]) assert.equal(readWeight(bad), null, bad)
  assert.ok(Object.is(readWeight("-0"), 0))
})

test("numbers are written with a true minus sign and without tails", () => {
  assert.deepEqual([0.1 + 0.2, -1.5, 0, -0, 1 / 3, 123456].map((v) => number(v)), ["0.3", "\u22121.5", "0", "0", "0.3333", "1.2e+5"])
  assert.equal(number(NaN), "?")
})

test("a long sum is cut and says what is left", () => {
  const terms = Array.from({ length: 12 }, (_none, i) => ({ value: 1, factor: i - 3, product: i - 3 }))
  const said = sumText(terms, -2, TEXT)
  assert.equal(said.split(" × ").length - 1, 9)
  assert.match(said, /^1 × 8 \+ 1 × 7/)
  assert.match(said, /\(−?.*\) of bias$/)
  assert.match(said, /from 2 more/)
  assert.doesNotMatch(sumText(terms.filter((t) => t.product).slice(0, 10), 0, TEXT), /more/) // one is no rest: it is said
  assert.equal(sumText([], 0, TEXT), "0")
})

test("how far back a number sees", () => {
  const stages = [
    { shape: [1, 9, 9] },
    { shape: [1, 7, 7], window: [3, 1, 0, 1] },
    { shape: [1, 7, 7] }, // an activation
    { shape: [1, 3, 3], window: [2, 2, 0, 1] },
    { shape: [1, 3, 3], window: [3, 1, 1, 1] },
  ]
  assert.deepEqual(field(stages, 1, 0, 2, 3), { top: 2, bottom: 4, left: 3, right: 5 })
  assert.deepEqual(field(stages, 3, 0, 1, 1), { top: 2, bottom: 5, left: 2, right: 5 })
  assert.deepEqual(field(stages, 4, 0, 0, 1), { top: 0, bottom: 5, left: 0, right: 7 })
  assert.deepEqual(field(stages, 4, 3, 1, 1), { top: 0, bottom: 2, left: 0, right: 2 })
})

test("activations", () => {
  assert.equal(ACTIVATIONS.relu(-2), 0)
  assert.equal(ACTIVATIONS.leaky_relu(-2, 0.01), -0.02)
  assert.equal(ACTIVATIONS.sigmoid(0), 0.5)
})

test("cells are as large as fit, and never too small to be touched", () => {
  for (const room of [320, 350, 374, 560, 740, 1100])
    for (let size = 1; size <= 7; size++) {
      const [way, px] = cellSize(room, size)
      const abreast = { three: 3, two: 2, stacked: 1 }[way]
      assert.ok(abreast * size * px <= room, `${room} ${size}`)
      assert.ok(px >= 26 && px <= 48, `${room} ${size}: ${px}`)
    }
  assert.deepEqual(cellSize(740, 3), ["three", 48])
  assert.deepEqual(cellSize(350, 3), ["two", 48])
  assert.equal(cellSize(350, 7)[0], "stacked")
})

test("a place where nothing but zeros arrives is told from one with something in it", () => {
  const dark = { shape: [1, 4, 5], numbers: Float64Array.from({ length: 20 }, (_none, i) => Number(i > 12)) }
  const lab = (row, col, more = {}) => ({ stages: [dark, { ...stage(), kind: "conv", ...more }], target: 1, at: { row, col } })
  assert.equal(blank(lab(0, 0)), true)
  assert.equal(blank(lab(2, 3)), false)
  assert.equal(blank(lab(0, 0, { hidden: true })), false)
})
