// What a picture shows, in the words of a machine: a caption where nobody wrote one, and answers to questions.

import { ProblemError, route, send } from "/page/client.js";
import { ratioOf } from "/page/grid.js";
import { draw } from "/page/heatmap.js";

const find = (id) => document.getElementById(id);
const [form, box, answer, caption] = ["ask-form", "ask-text", "ask-answer", "why-described"].map(find);

const said = new Map(); // what was said of pictures without a caption, by their address: it is asked for once
let asked = null; // the hit that is looked at

function describe(hit) {
  if (hit.generated) return Promise.resolve(hit.generated); // as it was indexed
  const place = route(`items/${hit.id}`);
  if (!said.has(place)) said.set(place, send("POST", route("caption"), { like: hit.id }).then(({ captions }) => captions[0]?.text ?? ""));
  return said.get(place);
}

// The alternative text of every picture of this hit on the page.
function nameAll(hit, text) {
  for (const picture of document.querySelectorAll(`.hit[data-id="${hit.id}"] img, #why-picture`)) picture.alt = text;
}

// Shows a hit's picture; where it has no caption, a machine's stands in for it.
export async function showAsk(hit) {
  asked = hit;
  find("why-ask").hidden = hit.kind !== "image";
  caption.hidden = true;
  answer.textContent = box.value = "";
  if (hit.kind !== "image" || hit.text) return;
  try {
    const text = await describe(hit);
    if (asked !== hit || !text) return;
    caption.textContent = `A machine says: ${text}`;
    caption.hidden = false;
    nameAll(hit, text);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error; // without a model that describes there is nothing to show
  }
}

const percent = (share) => `${Math.round(share * 100)} %`;

function tell({ text, probability, sure, heat_map: grid }) {
  const chance = probability === null ? "" : ` (${percent(probability)})`;
  answer.textContent = sure ? `${text}${chance}` : `Perhaps ${text}${chance}, but that is not sure.`;
  const canvas = find("heat");
  if (!grid) return;
  draw(canvas, grid, ratioOf(asked));
  canvas.setAttribute("aria-label", "Heat map: where the answer was looked for");
  canvas.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [hit, question] = [asked, box.value.trim()];
  if (!question) return;
  answer.textContent = "Looking…";
  try {
    const found = await send("POST", route("ask"), { like: hit.id, question });
    if (asked === hit) tell(found);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (asked === hit) answer.textContent = error.message;
  }
});
