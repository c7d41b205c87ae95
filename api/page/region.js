// A box on the picture in the dialog: drawn with a pointer, or moved and sized with the arrow keys.

const find = (id) => document.getElementById(id);
const [frame, box, start, actions] = ["why-frame", "region", "region-start", "region-actions"].map(find);

const STEP = 0.02;
const LEAST = 0.04; // of the picture's side: a click is no box

let region = null; // x, y, width, height in shares of the picture

const within = (value) => Math.min(1, Math.max(0, value));
const percent = (value) => `${Math.round(value * 100)} %`;

function show(next) {
  region = next;
  box.hidden = !region;
  actions.hidden = !region;
  start.hidden = find("region-hint").hidden = Boolean(region);
  frame.classList.toggle("choosing", Boolean(region));
  if (!region) return;
  ["left", "top", "width", "height"].forEach((side, place) => box.style.setProperty(side, `${region[place] * 100}%`));
  const [x, y, width, height] = region;
  box.setAttribute(
    "aria-label",
    `Part of the picture: ${percent(width)} by ${percent(height)}, ${percent(x)} from the left, ${percent(y)} from the top. ` +
      "Arrow keys move it, with Shift they size it, Enter searches by it.",
  );
}

export const clearRegion = () => show(null);

// Shares of a picture need no more digits than a pixel of a large one.
const rounded = () => region.map((value) => Math.round(value * 1000) / 1000);

frame.addEventListener("pointerdown", (event) => {
  if (event.button || event.target === box) return;
  event.preventDefault();
  const sides = frame.getBoundingClientRect();
  const at = ({ clientX, clientY }) => [within((clientX - sides.left) / sides.width), within((clientY - sides.top) / sides.height)];
  const [fromX, fromY] = at(event);
  const drag = (moved) => {
    const [x, y] = at(moved);
    const [width, height] = [Math.abs(x - fromX), Math.abs(y - fromY)];
    if (Math.max(width, height) >= LEAST) show([Math.min(x, fromX), Math.min(y, fromY), Math.max(width, LEAST), Math.max(height, LEAST)].map(within));
  };
  frame.setPointerCapture(event.pointerId);
  frame.addEventListener("pointermove", drag);
  frame.addEventListener("lostpointercapture", () => frame.removeEventListener("pointermove", drag), { once: true });
});

box.addEventListener("keydown", (event) => {
  const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
  if (across === undefined) return;
  event.preventDefault();
  const [x, y, width, height] = region;
  const size = (from, value, steps) => Math.min(1 - from, Math.max(LEAST, value + steps * STEP));
  const move = (from, value, steps) => Math.min(1 - value, Math.max(0, from + steps * STEP));
  show(
    event.shiftKey
      ? [x, y, size(x, width, across), size(y, height, down)]
      : [move(x, width, across), move(y, height, down), width, height],
  );
});

start.addEventListener("click", () => {
  show([0.25, 0.25, 0.5, 0.5]);
  box.focus();
});

// `search` and `add` take the box that was chosen.
export function onRegion(search, add) {
  box.addEventListener("click", () => search(rounded()));
  find("region-search").addEventListener("click", () => search(rounded()));
  find("region-add").addEventListener("click", () => add(rounded()));
  find("region-clear").addEventListener("click", () => {
    clearRegion();
    start.focus();
  });
}
