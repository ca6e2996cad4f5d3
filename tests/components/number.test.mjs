// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { CURVES, erf, fill, number, partials, patchSays, ranked, reached, says, signs, softmaxFigures, sumAt, taps, unitOf } from "../../assets/components/number.js"
import { spells } from "./number_cases.mjs"

const map = (size, values, more = {}) => ({ layer: "conv1", channel: 2, vector: false, size, values: Float32Array.from(values), ...more })
const ramp = (n) => Array.from({ length: n }, (_none, i) => i + 1)

test("a window looks where stride, padding and dilation let it", () => {
  assert.deepEqual(taps([2, 1, 0, 1], [4, 5], 1, 2), [[7, 0], [8, 1], [12, 2], [13, 3]])
  assert.deepEqual(taps([3, 1, 1, 1], [4, 5], 0, 0), [[0, 4], [1, 5], [5, 7], [6, 8]])
  assert.deepEqual(taps([2, 2, 0, 2], [4, 5], 0, 1), [[2, 0], [4, 1], [12, 2], [14, 3]])
})

test("a convolution is bias, products and the maps that are not shown", () => {
  const data = {
    view: "window", window: [2, 1, 0, 1], bias: 0.5, rest: Float64Array.from([10, 20, 30, 40]), shift: null,
    out: { layer: "conv2", channel: 0, size: [2, 2] },
    incoming: [map([3, 3], ramp(9), { kernel: Float32Array.from([1, 0, 0, -2]) })],
  }
  const sum = sumAt(data, 3)
  assert.equal(sum.total, 0.5 + 40 + 5 - 18)
  assert.deepEqual(sum.terms.map((one) => one.product), [-18, 5, 0, 0])
  assert.equal(unitOf(sum.terms[0].map, sum.terms[0].index), "conv1[2,2,2]")
})

test("what maps add to one number comes largest first", () => {
  const [small, large] = [map([2, 2], ramp(4)), map([2, 2], ramp(4))]
  const terms = [{ map: large, product: -9 }, { map: small, product: 3 }, { map: small, product: -2 }, { map: large, product: 1 }]
  assert.deepEqual(partials({ terms }), [[large, -8], [small, 1]])
})

test("of a convolution those maps come first that add most to the number that is looked at", () => {
  const kernel = Float32Array.from([1, 0, 0, 0])
  const [early, late] = [map([3, 3], [9, 0, 0, 0, 1, 0, 0, 0, 0], { kernel }), map([3, 3], [1, 0, 0, 0, -5, 0, 0, 0, 0], { kernel })]
  const data = { view: "window", window: [2, 1, 0, 1], out: { size: [2, 2] }, incoming: [early, late], of_incoming: 2 }
  assert.deepEqual(ranked({ ...data, at: 0 }), [early, late])
  assert.deepEqual(ranked({ ...data, at: 3 }), [late, early])
  assert.deepEqual(ranked({ ...data, at: 3, of_incoming: 9 }), [early, late]) // not all are known
})

test("the softmax that is shown can be redone on a calculator", () => {
  const read = (text) => Number(text.replace("\u2212", "-"))
  for (const scores of [[5.099, 0.31, -0.62, 0.77], [-12.3456789, 3.14159, 2.71828], [1, 1, 1], [0.001234567, 4.2000049]])
    for (let at = 0; at < scores.length; at++) {
      const data = { view: "softmax", bias: 0, shift: null, rest: null, out: { size: [1, scores.length] }, incoming: [map([1, scores.length], scores)] }
      const sum = sumAt(data, at)
      const { x, largest, amount, over, digits } = softmaxFigures(sum.terms[0])
      assert.equal(number(read(amount) / read(over)), number(sum.total))
      assert.equal(number(Math.exp(read(x) - read(largest)), digits), amount)
    }
})

test("a number of the input reaches the windows that hold it", () => {
  const data = { view: "window", window: [3, 2, 1, 1], out: { size: [3, 3] } }
  assert.deepEqual(reached(data, map([5, 5], ramp(25)), 6), [0, 1, 3, 4])
  assert.deepEqual(reached(data, map([5, 5], ramp(25)), 0), [0])
  const dilated = { view: "window", window: [2, 1, 0, 2], out: { size: [3, 3] } }
  assert.deepEqual(reached(dilated, map([5, 5], ramp(25)), 12), [0, 2, 6, 8])
})

test("what is reached is what takes it in, whatever the window", () => {
  for (const window of [[1, 1, 0, 1], [2, 2, 0, 1], [3, 1, 1, 1], [3, 2, 2, 2], [5, 3, 2, 1]]) {
    const [kernel, stride, padding, dilation] = window
    const side = Math.floor((9 + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1
    const data = { view: "window", window, out: { size: [side, side] } }
    for (let at = 0; at < 81; at++) {
      const takers = []
      for (let i = 0; i < side * side; i++)
        if (taps(window, [9, 9], Math.floor(i / side), i % side).some(([place]) => place === at)) takers.push(i)
      assert.deepEqual(reached(data, map([9, 9], ramp(81)), at), takers)
    }
  }
})

test("the error function is that of the books", () => {
  // Abramowitz & Stegun, table 7.1
  for (const [x, y] of [[0.5, 0.5204998778], [1, 0.8427007929], [2, 0.995322265], [2.6, 0.9997639656], [-1, -0.8427007929]])
    assert.ok(Math.abs(erf(x) - y) < 5e-10, `erf(${x})`)
  assert.ok(Math.abs(erf(2.5 + 1e-12) - erf(2.5)) < 1e-11)
})

test("curves at their joints", () => {
  assert.equal(CURVES.ReLU6({})(7), 6)
  assert.equal(CURVES.LeakyReLU({ negative_slope: 0.1 })(-2), -0.2)
  assert.equal(CURVES.Hardswish({})(3), 3)
  assert.equal(CURVES.Sigmoid({})(0), 0.5)
})

test("numbers and words as a person reads them", () => {
  spells(assert, number)
  assert.equal(signs("1 + \u22122 \u2212 \u22123"), "1 \u2212 2 + 3")
  assert.equal(signs("0.9 · \u22127.8e\u22127 + \u22123 / \u22122"), "0.9 · (\u22127.8e\u22127) \u2212 3 / (\u22122)")
  assert.equal(fill("{unit} = {x}", { unit: "a" }), "a = {x}")
})

test("a patch is written out, a large one by its largest products", () => {
  const text = { spelled: "{name}: {parts} = {sum}", spelled_part: "{name}: {parts} + {rest} from {count} = {sum}" }
  const small = map([2, 2], ramp(4), { kernel: Float32Array.from([1, -2, 0, 1]) })
  assert.equal(patchSays({ text }, small, [1, 2, null, 4], 1), "conv1[2]: 1 · 1 + 2 · (\u22122) + 4 · 1 = 1")
  const large = map([4, 4], ramp(16), { kernel: new Float32Array(16).fill(-1) })
  const said = patchSays({ text }, large, ramp(16), -136)
  assert.ok(said.startsWith("conv1[2]: 16 · (\u22121) + 15 · (\u22121)") && said.endsWith("\u2212 28 from 7 = \u2212136"), said)
})

test("a negative number that a norm multiplies stands in brackets", () => {
  const data = { view: "", sentence: "norm", kind: "BatchNorm2d", out: map([1, 1], [-5]), text: { norm: "{unit} = {factor} · {x} + {shift} = {value}" } }
  const sum = { total: -5.5, bias: 1, terms: [{ x: -6.5, factor: 1, map: data.out, index: 0 }] }
  assert.equal(says({ data, at: 0 }, sum), `${unitOf(data.out, 0)} = 1 · (\u22126.5) + 1 = \u22125.5`)
})
