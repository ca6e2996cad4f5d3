// Reads cases from standard input, a stage and what arrives at it, and prints what the browser makes of each.
import { readFileSync } from "node:fs"
import { ACTIVATIONS, field, sumText, termsAt, totalOf, usesOf } from "../../assets/components/glass.js"

const TEXT = { rest: "{others} from {count} smaller products", bias: "{bias} of bias" }
const unpack = (stage) => ({ ...stage, numbers: stage.values && new Float64Array(Uint8Array.from(atob(stage.values), (c) => c.charCodeAt(0)).buffer) })

const answers = JSON.parse(readFileSync(0, "utf8")).map(({ stages, place, pixel }) => {
  const all = stages.map(unpack)
  const [before, stage] = all
  const terms = termsAt(before, stage, ...place)
  return {
    terms: terms.map((t) => [t.at, t.tap, t.value, t.factor, t.product]),
    total: totalOf(terms, stage.bias),
    text: sumText(terms, stage.bias, TEXT),
    uses: usesOf(before, stage, ...pixel).map((u) => [u.row, u.col, u.factor]),
    last: field(all, all.length - 1, 0, 0, 0),
    activated: all.flatMap((s, i) => (ACTIVATIONS[s.kind] ? [Array.from(all[i - 1].numbers, (x) => ACTIVATIONS[s.kind](x, s.slope))] : [])),
  }
})
process.stdout.write(JSON.stringify(answers))
