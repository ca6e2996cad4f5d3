// node --test tests/components
import assert from "node:assert/strict"
import { test } from "node:test"
import { above, arrange, chosenIn, fedBy, feeding, number, percent, route, shares, tileSize, zooms } from "../../assets/components/whole.js"
import { spells } from "./number_cases.mjs"

const pack = (values) => Buffer.from(new Float32Array(values).buffer).toString("base64")
const column = (more) => ({
  name: "conv1", kind: "Conv2d", inputs: [], depth: 0, lane: 0, count: 2, shown: [0, 1], size: [12, 12], map: true,
  each: [12, 12], classes: null, holds: [], block: "", opened: false, fed: [], ...more,
})

// input (1 map) -> conv1 (2 of 4 maps shown) -> conv2 (2 maps), and conv1 once more -> add (2 maps)
const NET = [
  column({ name: "input", count: 1, shown: [0] }),
  column({ count: 4, shown: [3, 1], inputs: [0], depth: 1, fed: [{ source: 0, strength: pack([2, -3]), rest: pack([0, 0]) }] }),
  column({ name: "conv2", inputs: [1], depth: 2, fed: [{ source: 1, strength: pack([6, -2, 0, 1]), rest: pack([2, 3]) }] }),
  column({ name: "add", inputs: [2, 1], depth: 3, fed: [
    { source: 2, strength: pack([1, 0, 0, 3]), rest: pack([0, 0]) },
    { source: 1, strength: pack([3, 0, 0, 1]), rest: pack([0, 0]) },
  ] }),
]
const LINKS = NET.map(shares)

test("a share is of all that arrives, hidden maps and every input included", () => {
  const { links, hidden } = feeding(LINKS, 2, 0)
  assert.deepEqual(links, [
    { column: 1, tile: 0, share: 0.6, lean: 1 },
    { column: 1, tile: 1, share: 0.2, lean: -1 },
  ])
  assert.equal(hidden, 0.2)
  assert.deepEqual(feeding(LINKS, 3, 0).links.map(({ column, share }) => [column, share]), [[1, 0.75], [2, 0.25]])
})

test("no link where nothing is contributed, and none into the input", () => {
  assert.deepEqual(feeding(LINKS, 2, 1).links, [{ column: 1, tile: 1, share: 0.25, lean: 1 }])
  assert.deepEqual(feeding(LINKS, 0, 0), { links: [], hidden: 0 })
})

test("what a map feeds is found in every layer that takes it, strongest first", () => {
  assert.deepEqual(fedBy(LINKS, 1, 0), [
    { column: 3, tile: 0, share: 0.75, lean: 1 },
    { column: 2, tile: 0, share: 0.6, lean: 1 },
  ])
  assert.deepEqual(fedBy(LINKS, 3, 0), [])
})

test("a network whose numbers are lost has no links rather than broken ones", () => {
  const lost = [NET[0], { ...NET[1], fed: [{ source: 0, strength: pack([NaN, 1]), rest: pack([0, NaN]) }] }].map(shares)
  assert.deepEqual(feeding(lost, 1, 0).links, [])
  assert.equal(feeding(lost, 1, 1).links[0].share, 1)
})

const inside = (tile, layout) => tile.x >= 0 && tile.y >= 0 && tile.x + tile.width <= layout.width && tile.y + tile.height <= layout.height
const overlap = (one, other) =>
  one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height

const wide = (many) => [
  column({ name: "input", count: 3, shown: [0, 1, 2] }),
  column({ count: many, shown: [...Array(many).keys()], depth: 1, opened: true }),
  column({ name: "b", count: 32, shown: [0, 1, 2], depth: 1, lane: 1 }),
  column({ name: "flatten", map: false, size: [1, 36], depth: 2, shown: [...Array(10).keys()], count: 64 }),
  column({ name: "fc", map: false, size: [1, 1], depth: 3, shown: [...Array(10).keys()], count: 10, classes: [..."0123456789"] }),
]

for (const room of [358, 700, 1100])
  for (const many of [1, 12, 64, 256])
    test(`${many} maps in ${room} px: nothing overlaps, nothing is cut off`, () => {
      const layout = arrange(wide(many), room)
      const all = layout.places.flatMap(({ tiles }) => tiles)
      assert.ok(all.every((tile) => inside(tile, layout)))
      for (let i = 0; i < all.length; i++) for (let j = 0; j < i; j++) assert.ok(!overlap(all[i], all[j]))
      assert.equal(layout.downwards, room < 640)
      if (layout.downwards) assert.ok(layout.width <= room)
    })

test("a layer stands right of what feeds it, or below it on a phone", () => {
  const { places } = arrange(NET, 1100)
  assert.ok(places[1].tiles[0].x > places[0].tiles[0].x + places[0].tiles[0].width)
  const phone = arrange(NET, 358).places
  assert.ok(phone[1].tiles[0].y > phone[0].tiles[0].y + phone[0].tiles[0].height)
})

const SIDES = [1, 3, 5, 7, 12, 14, 24, 28, 32, 36]
for (const most of [36, 64])
  test(`pixels are whole multiples within ${most}, and no smaller map is drawn larger`, () => {
    const net = SIDES.map((side) => column({ size: [side, side] }))
    const sizes = net.map((one) => tileSize(one, zooms(net, most)))
    sizes.forEach(([width, height], i) => assert.ok(width % SIDES[i] === 0 && height === width && width <= most))
    for (let i = 1; i < sizes.length; i++) assert.ok(sizes[i - 1][0] <= sizes[i][0])
  })

test("pooling shrinks the picture where there is room", () => {
  const net = [28, 24, 12, 8, 4].map((side) => column({ size: [side, side] }))
  assert.deepEqual(net.map((one) => tileSize(one, zooms(net, 64))[0]), [56, 48, 36, 24, 20])
})

test("on a phone bars of classes stand clear of each other", () => {
  const { places } = arrange(wide(1), 358)
  const [one, other] = places[places.length - 1].tiles
  assert.ok(other.x - one.x - one.width >= 24)
})

test("a link goes from edge to edge, and past other layers below them", () => {
  const layout = arrange(NET, 1100)
  const [from, to] = [layout.places[1].tiles[0], layout.places[3].tiles[0]]
  assert.ok(route(from, to, false, null).startsWith(`M${from.x + from.width} ${from.y + from.height / 2}C`))
  assert.ok(route(from, to, false, null).endsWith(`${to.x} ${to.y + to.height / 2}`))
  const bus = layout.bus(1, 3)
  assert.ok(bus > Math.max(...layout.places[2].tiles.map((tile) => tile.y + tile.height)))
  assert.ok(bus < layout.height)
  assert.ok(route(from, to, false, bus).includes(` ${bus}H`))
})

test("numbers as people write them", () => {
  spells(assert, number)
  assert.equal(percent(0.001), "<1%")
  assert.equal(percent(0.337), "34%")
})

test("above a column stands the block that begins, above folded layers their block or the first of them", () => {
  const at = (name, holds = [], block = "") => column({ name, holds, block })
  assert.equal(above(at("stage1.block1.conv1"), at("relu1")), "stage1.block1")
  assert.equal(above(at("stage1.block1.conv2"), at("stage1.block1.conv1")), "")
  assert.equal(above(at("relu1"), undefined), "")
  const chain = at("gelu2", ["conv2", "pool1", "gelu2"], "conv2")
  assert.equal(above(chain, at("gelu1")), "conv2 \u2013")
  const block = at("stage1.relu1", ["stage1.block1.conv1", "stage1.block1.add", "stage1.relu1"], "stage1.block1")
  assert.equal(above(block, chain), "stage1.block1")
  assert.equal(above(at("stage1.block2.add", ["stage1.block2.conv1", "stage1.block2.add"], "stage1.block2"), block), "block2")
})

test("the chosen map is marked where it is, or the column that it is folded away in", () => {
  const columns = [NET[0], NET[1], column({ name: "relu2", holds: ["conv2", "relu2"], shown: [4, 7] })]
  assert.deepEqual(chosenIn({ columns, chosen: ["conv1", 1], marked: [1, 1] }), [1, 1])
  assert.deepEqual(chosenIn({ columns, chosen: ["conv2", 7], marked: [2, 7] }), [2, 1])
  assert.deepEqual(chosenIn({ columns, chosen: ["conv2", 7], marked: [2, null] }), [2, -1])
  assert.equal(chosenIn({ columns, chosen: ["conv9", 7], marked: [2, 7] }), null)
  assert.equal(chosenIn({ columns, chosen: ["conv1", 2], marked: [1, 1] }), null)
  assert.equal(chosenIn({ columns, chosen: null, marked: null }), null)
})
