// What a picture shows, in the words of a machine: a caption where nobody wrote one, and answers to questions.
// Both are made when they are asked for: they take the machine a moment.

import { ProblemError, route, send } from "/page/client.js";
import { ratioOf } from "/page/grid.js";
import { draw } from "/page/heatmap.js";

const find = (id) => document.getElementById(id);
const [form, box, answer, caption, describe] = ["ask-form", "ask-text", "ask-answer", "why-described", "describe"].map(find);

let asked = null; // the hit that is looked at

// The alternative text of every picture of this hit on the page.
function nameAll(hit, text) {
  for (const picture of document.querySelectorAll(`.hit[data-id="${hit.id}"] img, #why-picture`)) picture.alt = text;
}

function showCaption(hit, text) {
  hit.generated = text;
  caption.textContent = `A machine says: ${text}`;
  caption.hidden = false;
  describe.hidden = true;
  nameAll(hit, `${text} (written by a machine)`);
}

// Shows what goes with a hit: a machine's caption where one is known, and the box for questions.
export function showAsk(hit) {
  asked = hit;
  find("why-ask").hidden = hit.kind !== "image";
  caption.hidden = true;
  describe.hidden = Boolean(hit.text);
  answer.textContent = box.value = "";
  if (hit.generated && !hit.text) showCaption(hit, hit.generated);
}

// Does something that takes a while with the hit that is looked at, and says what went wrong.
async function slowly(act) {
  const hit = asked;
  answer.textContent = "Looking…";
  try {
    const shown = await act(hit);
    if (asked === hit) answer.textContent = "";
    if (asked === hit) shown();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (asked === hit) answer.textContent = error.message;
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

describe.addEventListener("click", () =>
  slowly(async (hit) => {
    const { captions } = await send("POST", route("caption"), { like: hit.id });
    return () => showCaption(hit, captions[0]?.text ?? "nothing");
  }),
);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = box.value.trim();
  if (!question) return;
  slowly(async (hit) => {
    const found = await send("POST", route("ask"), { like: hit.id, question });
    return () => tell(found);
  });
});
