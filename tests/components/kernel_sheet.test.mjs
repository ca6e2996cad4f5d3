// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { cellAt, kernelAt, number, pixels, zoomFor } from "../../assets/components/kernel_sheet.js"
import { spells } from "./number_cases.mjs"

test("a number is spelled as beside it", () => spells(assert, number))

test("a finger finds a cell, and a wide room shows all columns", () => {
  assert.ok(3 * zoomFor(318, 64, 3, true) >= 24)
  assert.ok(1 * zoomFor(318, 512, 1, true) >= 24)
  assert.ok(64 * 3 * zoomFor(1100, 64, 3, false) <= 1100)
  assert.ok(3 * zoomFor(318, 64, 3, false) >= 10)
  assert.equal(zoomFor(2000, 4, 5, false), 6)
})

test("a place in the sheet is a column and a row, the nearest from outside", () => {
  assert.deepEqual(cellAt(49, 24, [24, 24], [64, 24]), [2, 1])
  assert.deepEqual(cellAt(-3, 9999, [24, 24], [64, 24]), [0, 23])
})

test("a kernel is the weights of its filter and channel, and so are its pixels", () => {
  const shape = [3, 2, 2, 2] // columns, rows, height, width
  const weights = Float32Array.from({ length: 24 }, (_none, i) => i - 12)
  assert.deepEqual([...kernelAt(weights, shape, 2, 1)], [8, 9, 10, 11])
  const table = Uint8Array.from({ length: 768 }, (_none, i) => Math.floor(i / 3))
  const made = pixels(weights, shape, 12, table)
  assert.equal(made.length, 4 * 24)
  const at = (x, y) => made[4 * (y * 6 + x)] // 6 pixels wide
  assert.equal(at(0, 0), 0) // -12
  assert.equal(at(5, 3), Math.round(127.5 * (1 + 11 / 12))) // the last of the last
  assert.equal(at(4, 2), Math.round(127.5 * (1 + 8 / 12)))
  assert.equal(at(1, 2), Math.round(127.5 * (1 - 7 / 12))) // column 0, row 1, first line, second weight: -7
})
