// Which of the server's galleries is looked at; the choice is part of the address.

import { galleries, useGallery } from "/page/client.js";

const box = document.getElementById("gallery");
let names = [];

export const gallery = () => (box.value === names[0] ? "" : box.value);

// Fills the list, which is there when the server has several.
export async function loadGalleries() {
  try {
    const found = await galleries();
    names = found.map(({ name }) => name);
    box.replaceChildren(
      ...found.map(({ name, items }) => new Option(`${name} (${items.toLocaleString()})`, name)),
    );
    box.parentElement.hidden = names.length < 2;
  } catch {
    // What is wrong is said where the gallery's figures are asked for.
  }
}

export function chooseGallery(name) {
  box.value = names.includes(name) ? name : (names[0] ?? "");
  useGallery(gallery());
}

export function onGallery(changed) {
  box.addEventListener("change", () => {
    useGallery(gallery());
    changed();
  });
}
