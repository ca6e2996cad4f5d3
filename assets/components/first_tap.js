// A finger's first tap on a chart counts. Plotly takes for what was tapped what the pointer was over before; a finger is
// over nothing, so its first tap said nothing, and each later one named the place of the one before. Where a finger comes
// down on a chart, the chart is told so as if a mouse had come there.
const told = Symbol.for("cnnlab.first_tap")

export function arrive(event) {
  const chart = event.target
  if (event.touches.length !== 1 || !chart.classList?.contains("nsewdrag")) return
  const { clientX, clientY } = event.touches[0]
  chart.dispatchEvent(new MouseEvent("mousemove", { clientX, clientY, bubbles: true, view: window }))
}

export default function ({ parentElement }) {
  parentElement.host?.setAttribute("aria-hidden", "true")
  if (document[told]) return
  document[told] = true
  document.addEventListener("touchstart", arrive, { capture: true, passive: true })
}
