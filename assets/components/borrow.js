// The network as a row of blocks; below each that has weights, two controls for each layer: whether the model's weights
// are taken, and how fast they learn (frozen: not at all). A block of layers folds; its own controls speak for all inside.
// data: {blocks: [{name, detail, shape, svg, height, label, layers: [{layer, name, taken, fixed, why, learn, label}]}],
//        rates: [[value, word]], text}; sends one trigger, action: {do: "take"|"learn", layers, value}.

/** What all of some layers have in common: taken true, false or null (mixed), learn a rate or "" (mixed). */
export function common(layers) {
  const free = layers.filter((one) => !one.fixed)
  const taken = new Set(free.map((one) => one.taken))
  const learn = new Set(layers.map((one) => one.learn))
  return {
    taken: taken.size === 1 ? [...taken][0] : taken.size ? null : false,
    learn: learn.size === 1 ? [...learn][0] : "",
    fixed: free.length === 0,
  }
}

/** The layers that a click on "taken" is about, and what they become: mixed ones are all taken first. */
export function pressed(layers) {
  const free = layers.filter((one) => !one.fixed)
  return { do: "take", layers: free.map((one) => one.layer), value: !free.every((one) => one.taken) }
}

/** The rates to choose from, with one that somebody else has set put in its place: [value, word], the fastest first. */
export function rates(known, value) {
  if (value === "" || known.some(([one]) => one === value)) return known
  return [...known, [value, `×${value}`]].sort(([a], [b]) => Number(b) - Number(a))
}

function element(tag, className, attributes = {}, text = "") {
  const node = document.createElement(tag)
  node.className = className
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  if (text) node.textContent = text
  return node
}

function controls(layers, name, label, data) {
  const now = common(layers)
  const box = element("span", "controls", { role: "group", "aria-label": label })
  const word = now.taken === null ? data.text.mixed : now.taken ? data.text.taken : data.text.fresh
  const take = element("button", "take", {
    type: "button", role: "switch", "aria-checked": now.taken === null ? "mixed" : String(now.taken),
    "aria-label": `${name}: ${data.text.take}`, "data-at": `take ${name}`,
    title: now.fixed ? layers.map((one) => one.why).join("; ") : data.text.take,
  }, word)
  take.disabled = now.fixed
  take.change = pressed(layers)
  const learn = element("select", "learn", { "aria-label": `${name}: ${data.text.learn}`, "data-at": `learn ${name}`, title: data.text.learn })
  if (now.learn === "") learn.append(element("option", "", { value: "" }, data.text.mixed))
  for (const [value, said] of rates(data.rates, now.learn)) learn.append(element("option", "", { value }, said))
  learn.value = now.learn
  learn.layers = layers.map((one) => one.layer)
  box.append(take, learn)
  if (layers.length === 1 && !layers[0].taken) box.append(element("span", "why", {}, layers[0].why))
  return box
}

function stateOf(layers) {
  if (!layers.length) return "plain"
  const now = common(layers)
  const first = layers.some((one) => one.taken) ? (layers.every((one) => one.taken) ? "taken" : "partly") : "fresh"
  return `${first} ${now.learn === "0" ? "frozen" : ""}`
}

function cell(block, data, open) {
  const node = element("span", `cell ${stateOf(block.layers)}`, { title: block.label })
  const drawing = element("span", "drawing")
  drawing.innerHTML = block.svg // numbers and class names only, made by cnnlab.figures.network
  node.append(drawing, element("span", "name", {}, block.name), element("span", "detail", {}, block.detail || "\u00a0"))
  if (block.layers.length) node.append(controls(block.layers, block.name, block.label, data))
  if (block.layers.length > 1) {
    const inside = element("details", "inside")
    inside.open = open.has(block.name)
    inside.ontoggle = () => (inside.open ? open.add(block.name) : open.delete(block.name))
    inside.append(element("summary", "", {}, data.text.inside.replace("{count}", block.layers.length)))
    for (const layer of block.layers) {
      const row = element("span", `row ${stateOf([layer])}`)
      row.append(element("span", "name", {}, layer.name), controls([layer], layer.layer, layer.label, data))
      inside.append(row)
    }
    node.append(inside)
  }
  return node
}

function edge(block) {
  const node = element("span", `edge ${block.changed ? "changed" : ""}`)
  const line = element("span", "line")
  line.append(element("span", "shape", {}, block.shape || "?"), element("span", "arrow", { "aria-hidden": "true" }))
  node.append(line)
  return node
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".borrow-root")
  const active = parentElement.activeElement ?? document.activeElement
  const focus = root.contains(active) ? active.dataset.at : null
  root.openBlocks ??= new Set()
  const net = element("div", "net", { role: "group", "aria-label": data.text.label })
  const highest = Math.max(46, ...data.blocks.map((block) => Number(block.height)))
  net.style.setProperty("--height", `${highest}px`)
  for (const block of data.blocks) {
    const pair = element("span", "pair")
    pair.append(cell(block, data, root.openBlocks), edge(block))
    net.append(pair)
  }
  root.replaceChildren(net)
  if (focus) [...root.querySelectorAll("[data-at]")].find((node) => node.dataset.at === focus)?.focus({ preventScroll: true })
  net.onclick = (event) => {
    const take = event.target.closest(".take")
    if (take && !take.disabled && take.change.layers.length) setTriggerValue("action", take.change)
  }
  net.onchange = (event) => {
    const learn = event.target.closest(".learn")
    if (learn && learn.value !== "") setTriggerValue("action", { do: "learn", layers: learn.layers, value: learn.value })
  }
}
