// The three ways a reader hands over a picture: choose, paste, drop.

const zone = document.getElementById("dropzone");
const file = document.getElementById("file");

const pictureOf = (transfer) => [...(transfer?.files ?? [])].find(({ type }) => type.startsWith("image/"));
const bringsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

export function onPicture(take, refuse) {
  document.getElementById("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files.length) take(file.files[0]);
    file.value = ""; // choosing the same file again is a change too
  });

  document.addEventListener("paste", (event) => {
    const picture = pictureOf(event.clipboardData);
    if (!picture) return;
    event.preventDefault();
    take(picture);
  });

  let depth = 0; // enter and leave also fire on every child
  const show = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", (event) => bringsFiles(event) && show(1));
  document.addEventListener("dragleave", (event) => bringsFiles(event) && show(-1));
  document.addEventListener("dragover", (event) => bringsFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    show(-depth);
    const picture = pictureOf(event.dataTransfer);
    if (picture) take(picture);
    else refuse("That is not a picture. Drop a JPEG, PNG, WebP or GIF file.");
  });
}
