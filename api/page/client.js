// The page's only way to the service: searches, the gallery's figures, addresses of pictures.

export class ProblemError extends Error {}

async function read(response) {
  const document = await response.json().catch(() => null);
  if (!response.ok) throw new ProblemError(document?.detail ?? `The service answered ${response.status}`);
  return document;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ProblemError("The service cannot be reached. Is it still running?");
  }
  return read(response);
}

// A picture that the reader gave travels as a form with its file; everything else as JSON.
export function search(query, { k, rerank, explain = false, signal }) {
  const fields = { k, rerank, explain };
  if (query.kind) fields.kind = query.kind;
  if (query.text) fields.text = query.text;
  if (query.like) fields.like = query.like.id;
  if (!query.file) {
    const headers = { "content-type": "application/json" };
    return ask("/v1/search", { method: "POST", headers, body: JSON.stringify(fields), signal });
  }
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
  form.append("image", query.file);
  return ask("/v1/search", { method: "POST", body: form, signal });
}

export const info = () => ask("/v1/info");
export const item = (id) => ask(`/v1/items/${id}`);
export const imageUrl = (id) => `/v1/items/${id}/image`;
export const thumbnailUrl = (id, size) => `/v1/items/${id}/thumbnail?size=${size}`;

// What a person would call the item: its caption, the name it came with, or its file name.
export function nameOf(hit) {
  if (hit.text) return hit.text;
  if (hit.metadata?.name) return String(hit.metadata.name);
  const last = hit.uri.split("/").pop() || hit.uri;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
