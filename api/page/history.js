// Searches of this reader, on this machine alone: the last ones, each with the address that brings it back.

const KEY = "searches";
const MOST = 12;
const [box, list, forget] = ["recent-box", "recent", "forget"].map((id) => document.getElementById(id));

function kept() {
  try {
    const read = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(read) ? read.filter(({ name, address }) => name && String(address).startsWith("?")) : [];
  } catch {
    return []; // somebody else's, or cut off
  }
}

export function keep(name, address) {
  if (!name || !address.startsWith("?")) return;
  const others = kept().filter((one) => one.address !== address);
  localStorage.setItem(KEY, JSON.stringify([{ name, address }, ...others].slice(0, MOST)));
  showHistory();
}

export function showHistory() {
  const searches = kept();
  box.hidden = !searches.length;
  list.replaceChildren(
    ...searches.map(({ name, address }) => {
      const cell = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { className: "quiet", href: `/${address}`, textContent: name });
      cell.append(link);
      return cell;
    }),
  );
}

// `go` is told the address of a search that is wanted again.
export function onHistory(go) {
  list.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.getAttribute("href"));
  });
  forget.addEventListener("click", () => {
    localStorage.removeItem(KEY);
    showHistory();
  });
  showHistory();
}
