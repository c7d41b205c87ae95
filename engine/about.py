"""What a gallery says of itself: counts, sizes, its model, and who writes to it."""

from __future__ import annotations

from engine.gallery import Gallery
from engine.learned import described
from engine.serving import Serving
from engine.store import Store
from engine.store.rows import State


def about(gallery: Gallery, store: Store, state: State, serving: Serving) -> dict[str, object]:
    """Tell what the gallery holds and what it takes on disk (bytes)."""
    counts = store.counts()
    return {
        "gallery": str(gallery.path),
        "model": serving.key,
        "stamp": state.stamp,
        "trained": described(gallery.path, state.stamp),
        "items": sum(counts.values()),
        "pictures": counts.get("image", 0),
        "texts": counts.get("text", 0),
        "index": serving.generation.described(),
        "revision": serving.generation.revision,
        "bytes": gallery.sizes(),
        "writer": gallery.holder(),
    }
