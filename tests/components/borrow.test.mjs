// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { common, pressed, rates } from "../../assets/components/borrow.js"

const layer = (name, taken, learn = "1", fixed = false) => ({ layer: name, taken, learn, fixed })

test("layers that agree have one word, others are mixed", () => {
  assert.deepEqual(common([layer("a", true), layer("b", true)]), { taken: true, learn: "1", fixed: false })
  assert.deepEqual(common([layer("a", true), layer("b", false, "0")]), { taken: null, learn: "", fixed: false })
  assert.deepEqual(common([layer("a", true), layer("b", false, "1", true)]).taken, true) // what cannot be taken has no say
  assert.deepEqual(common([layer("a", false, "1", true)]), { taken: false, learn: "1", fixed: true })
})

test("a click takes all that can be taken, and gives all back only where all are taken", () => {
  assert.deepEqual(pressed([layer("a", true), layer("b", false), layer("c", false, "1", true)]), {
    do: "take", layers: ["a", "b"], value: true,
  })
  assert.deepEqual(pressed([layer("a", true), layer("b", true)]), { do: "take", layers: ["a", "b"], value: false })
})

test("a rate that somebody else has set stands among those to choose from", () => {
  const known = [["1", "learns"], ["0.1", "×0.1"], ["0", "frozen"]]
  assert.equal(rates(known, "0.1"), known)
  assert.equal(rates(known, ""), known)
  assert.deepEqual(rates(known, "0.3").map(([value]) => value), ["1", "0.3", "0.1", "0"])
})
