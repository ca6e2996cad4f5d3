// A finger that comes down on a chart is told to it as a mouse that came there, once for the whole page.
import assert from "node:assert/strict"
import { test } from "node:test"
import component, { arrive } from "../../assets/components/first_tap.js"

globalThis.window = {}
globalThis.MouseEvent = class {
  constructor(type, facts) {
    Object.assign(this, { type, ...facts })
  }
}

const target = (name) => ({ seen: [], classList: { contains: (one) => one === name }, dispatchEvent(event) { this.seen.push(event) } })
const touch = (chart, count = 1) => ({ target: chart, touches: Array(count).fill({ clientX: 12, clientY: 34 }) })

test("the chart learns where the finger is", () => {
  const chart = target("nsewdrag")
  arrive(touch(chart))
  assert.deepEqual(chart.seen.map(({ type, clientX, clientY }) => [type, clientX, clientY]), [["mousemove", 12, 34]])
})

test("two fingers and other elements are left alone", () => {
  const [chart, other] = [target("nsewdrag"), target("button")]
  arrive(touch(chart, 2))
  arrive(touch(other))
  assert.deepEqual([...chart.seen, ...other.seen], [])
})

test("it listens once, however often it is drawn", () => {
  const heard = []
  globalThis.document = { addEventListener: (name) => heard.push(name) }
  component({ parentElement: {} })
  component({ parentElement: {} })
  assert.deepEqual(heard, ["touchstart"])
})
