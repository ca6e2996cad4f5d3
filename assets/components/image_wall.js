// A wall of hard-pixel images cut from one picture; a tap, Enter or a space chooses one (state "position").
// data: {picture, size, zoom, positions, labels, chosen, text}, see figures/data.py

function draw(root, data) {
  const [height, width] = data.size;
  const [tall, wide] = [height * data.zoom, width * data.zoom];
  const tiles = data.positions.map((position, place) => {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.className = "tile";
    tile.dataset.position = position;
    tile.title = data.labels[place];
    tile.setAttribute("aria-label", data.labels[place]);
    const image = document.createElement("span");
    image.style.cssText = `width:${wide}px;height:${tall}px;` +
      (data.zoom < 1 ? "image-rendering:auto;" : "") + `background-size:${wide * data.positions.length}px ${tall}px;background-position:${-place * wide}px 0`;
    tile.append(image);
    return tile;
  });
  root.style.setProperty("--picture", `url(${data.picture})`);
  root.replaceChildren(...tiles);
}

function mark(root, position) {
  const tiles = [...root.children];
  const found = tiles.some((tile) => Number(tile.dataset.position) === position);
  tiles.forEach((tile, place) => {
    const chosen = Number(tile.dataset.position) === position;
    tile.setAttribute("aria-pressed", chosen);
    tile.tabIndex = chosen || (!found && place === 0) ? 0 : -1;
  });
}

// One Tab stop; the arrows walk, up and down by rows.
function walk(root, event) {
  const tiles = [...root.children];
  const now = tiles.indexOf(event.target.closest(".tile"));
  const below = tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop);
  const across = below > 0 ? below : tiles.length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  const to = { Home: 0, End: tiles.length - 1 }[event.key] ?? (step ? now + step : -1);
  if (to < 0 || to >= tiles.length) return;
  event.preventDefault();
  tiles[to].focus();
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".wall");
  const drawn = data.picture + data.positions.join() + data.labels.join();
  if (root.drawn !== drawn) draw(root, data);
  root.drawn = drawn;
  root.setAttribute("aria-label", data.text);
  mark(root, data.chosen);
  root.onkeydown = (event) => walk(root, event);
  root.onclick = (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const position = Number(tile.dataset.position);
    mark(root, position);
    setStateValue("position", position);
  };
}
