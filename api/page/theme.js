// Light, dark, or as the system has it; remembered on this machine. Runs before the page is drawn, so is no module.

{
  const root = document.documentElement;
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const NAMES = { auto: "as the system", light: "light", dark: "dark" };
  const kept = localStorage.getItem("theme");
  root.dataset.theme = kept in NEXT ? kept : "auto";

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => {
      const theme = root.dataset.theme;
      button.setAttribute("aria-label", `Colors: ${NAMES[theme]}. Change to ${NAMES[NEXT[theme]]}`);
      button.title = `Colors: ${NAMES[theme]}`;
    };
    button.addEventListener("click", () => {
      root.dataset.theme = NEXT[root.dataset.theme];
      localStorage.setItem("theme", root.dataset.theme);
      show();
    });
    show();
  });
}
