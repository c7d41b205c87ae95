// Which of the server's galleries is looked at; the choice is part of the address.

import { galleries, useGallery } from "/page/client.js";

const box = document.getElementById("gallery");
let names = []; // those of the server, the first one first; empty until they are known
let chosen = ""; // empty for the first one

export const gallery = () => chosen;

export function chooseGallery(name) {
  chosen = name && name !== names[0] ? name : "";
  useGallery(chosen);
  if (names.length) box.value = chosen || names[0];
}

// Fills the list, which is shown when the server has several.
async function load() {
  const found = await galleries();
  names = found.map(({ name }) => name);
  box.replaceChildren(...found.map(({ name, items }) => new Option(`${name} (${items.toLocaleString()})`, name)));
  box.parentElement.hidden = names.length < 2;
  chooseGallery(chosen);
}

export function onGallery(changed) {
  box.addEventListener("change", () => {
    chooseGallery(box.value);
    changed();
  });
  load().catch(() => {}); // what is wrong is said where the gallery's figures are asked for
}
