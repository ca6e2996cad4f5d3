// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { number, patchAt, times } from "../../assets/components/map_grid.js"
import { spells } from "./number_cases.mjs"

const MAP = Array.from({ length: 20 }, (_none, i) => i) // 4 rows of 5

test("a patch is what the window covers", () => {
  assert.deepEqual([...patchAt(MAP, [4, 5], [2, 1, 0, 1], 1, 2)], [7, 8, 12, 13])
  assert.deepEqual([...patchAt(MAP, [4, 5], [2, 2, 0, 1], 1, 1)], [12, 13, 17, 18])
})

test("over the edge there is nothing, and dilation skips", () => {
  assert.deepEqual([...patchAt(MAP, [4, 5], [3, 1, 1, 1], 0, 0)], [0, 0, 0, 0, 0, 1, 0, 5, 6])
  assert.deepEqual([...patchAt(MAP, [4, 5], [3, 1, 1, 1], 3, 4)], [13, 14, 0, 18, 19, 0, 0, 0, 0])
  assert.deepEqual([...patchAt(MAP, [4, 5], [2, 1, 0, 2], 0, 1)], [1, 3, 11, 13])
})

test("a kernel times its patch", () => {
  assert.equal(times(patchAt(MAP, [4, 5], [2, 1, 0, 1], 1, 2), [1, -1, 0.5, 0]), 7 - 8 + 6)
})

test("a number is spelled as below the overview", () => {
  spells(assert, number)
})
