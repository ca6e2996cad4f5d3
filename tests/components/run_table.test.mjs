// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { fill, first, sorted, toggled, turned } from "../../assets/components/run_table.js"

const row = (id, acc, name) => ({ id, cells: { acc: { sort: acc }, name: { sort: name } } })
const ROWS = [row("a", 0.9, "Zoe"), row("b", null, "ann"), row("c", 0.99, "Ben"), row("d", 0.9, "Ann")]
const ids = (rows) => rows.map((one) => one.id).join("")

test("without an order the rows stay as they came", () => {
  assert.equal(sorted(ROWS, null), ROWS)
})

test("numbers by size, what has none last both ways, equal ones as they came", () => {
  assert.equal(ids(sorted(ROWS, { name: "acc", down: true })), "cadb")
  assert.equal(ids(sorted(ROWS, { name: "acc", down: false })), "adcb")
  assert.equal(ids(ROWS), "abcd") // nothing was moved in place
})

test("words by the alphabet, whatever their case", () => {
  assert.equal(ids(sorted(ROWS, { name: "name", down: false })), "bdca")
})

test("a heading pressed three times sorts, turns, and lets go", () => {
  const acc = { name: "acc", number: true }
  const first = turned(null, acc)
  assert.deepEqual(first, { name: "acc", down: true })
  assert.deepEqual(turned(first, acc), { name: "acc", down: false })
  assert.equal(turned({ name: "acc", down: false }, acc), null)
  assert.deepEqual(turned(first, { name: "name" }), { name: "name", down: false })
})

test("a row is chosen, let go, and refused where there are enough", () => {
  assert.deepEqual(toggled(["a"], "b", 2), ["a", "b"])
  assert.deepEqual(toggled(["a", "b"], "a", 2), ["b"])
  const full = ["a", "b"]
  assert.equal(toggled(full, "c", 2), full)
})

test("words are filled in", () => {
  assert.equal(fill("Choose {name}", { name: "x" }), "Choose x")
})

test("the first rows and the chosen ones are shown; one alone is never left out", () => {
  assert.equal(ids(first(ROWS, ["d"], 2)), "abd")
  assert.equal(first(ROWS, [], 3), ROWS)
})
