// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { Asking, dragged, moved, way, within } from "../../assets/components/shift.js"

test("a picture moves by whole pixels, black comes in, what leaves is lost", () => {
  const grey = [1, 2, 3, 4, 5, 6].flatMap((v) => [v, v, v]) // 2 rows of 3
  const first = (rgb) => Array.from({ length: rgb.length / 3 }, (_none, i) => rgb[3 * i])
  assert.deepEqual(first(moved(grey, [2, 3], [1, 0])), [0, 1, 2, 0, 4, 5])
  assert.deepEqual(first(moved(grey, [2, 3], [-2, 1])), [0, 0, 0, 3, 0, 0])
  assert.deepEqual(first(moved(grey, [2, 3], [0, 0])), [1, 2, 3, 4, 5, 6])
})

test("dragging counts in the picture's own pixels and has an end", () => {
  assert.deepEqual(dragged([1, 0], [100, 50], [124, 42], 8, 8), [4, -1])
  assert.deepEqual(dragged([0, 0], [0, 0], [900, -900], 8, 8), [8, -8])
  assert.deepEqual(within([3.4, -3.6], 8), [3, -4])
})

test("one question at a time, and the newest after it", () => {
  const sent = []
  const asking = new Asking((by) => sent.push(by))
  for (const x of [1, 2, 3]) asking.ask([x, 0])
  assert.deepEqual(sent, [[1, 0]])
  asking.answered([0, 0]) // of another rerun
  assert.deepEqual(sent, [[1, 0]])
  asking.answered([1, 0])
  assert.deepEqual(sent, [[1, 0], [3, 0]])
  asking.answered([3, 0])
  asking.ask([4, 0])
  assert.deepEqual(sent, [[1, 0], [3, 0], [4, 0]])
})

test("the way from its place as arrows", () => {
  assert.equal(way([3, -1]), "→ 3 px ↑ 1 px")
  assert.equal(way([-2, 0]), "← 2 px ↓ 0 px")
})
