// The start view: what the gallery holds, examples, the last searches, and pictures to start from.

import { info, nameOf, search, thumbnailUrl } from "/page/client.js";

const find = (id) => document.getElementById(id);
const EXAMPLES = ["a cat", "a cup of coffee", "someone smiling", "two dogs playing", "a boat on the water"];
const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;

function makeExamples(ask) {
  find("examples").replaceChildren(
    ...EXAMPLES.map((example) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: example });
      button.className = "quiet";
      button.addEventListener("click", () => ask(example));
      return button;
    }),
  );
}

async function showGlimpse(like) {
  const { hits } = await search({ typed: "a photograph", parts: [], phrases: [] }, { k: 16, rerank: false });
  const buttons = hits
    .filter(({ kind }) => kind === "image")
    .map((hit) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const picture = new Image(hit.metadata.width, hit.metadata.height);
      picture.src = thumbnailUrl(hit.id, 320);
      picture.alt = nameOf(hit);
      button.style.setProperty("--ratio", hit.metadata.width / hit.metadata.height);
      button.setAttribute("aria-label", `More like ${nameOf(hit)}`);
      button.append(picture);
      button.addEventListener("click", () => like(hit));
      return button;
    });
  find("glimpse").replaceChildren(...buttons);
  find("glimpse-box").hidden = !buttons.length;
}

// `ask` searches for words, `like` for more like a hit.
export async function showStart(ask, like) {
  makeExamples(ask);
  try {
    const { pictures, texts, items } = await info();
    const held = [pictures && plural(pictures, "picture"), texts && plural(texts, "text")].filter(Boolean);
    find("about").textContent = items
      ? `${held.join(" and ")}, ready to search.`
      : "This gallery is empty. Fill it with: crosslight index FOLDER";
    find("examples").hidden = !items;
    find("kinds").hidden = !(pictures && texts);
    find("glimpse-box").hidden = true;
    if (pictures) await showGlimpse(like);
  } catch (error) {
    find("about").textContent = error.message;
  }
}
