"""The pictures that a gallery's items were made of: read again from where they lie, and made small."""

from __future__ import annotations

from engine.errors import ItemNotFound
from engine.gallery import Gallery
from engine.pictures import load_picture
from engine.store import Store


class Originals:
    """Reads the picture of an item; `ItemNotFound` where the item, or its picture, is gone."""

    def __init__(self, gallery: Gallery, store: Store) -> None:
        self._gallery = gallery
        self._store = store

    def read(self, item_id: int) -> bytes:
        """Return the bytes of an item's picture, from its file or from inside its tar."""
        place = self._place(item_id)
        try:
            return self._gallery.read_picture(place, self._store.digest(item_id))
        except OSError as error:
            raise ItemNotFound(
                f"the picture of item {item_id} is gone from {place}: {error.strerror}"
            ) from error

    def thumbnail(self, item_id: int, size: int) -> bytes:
        """Return an item's picture as WebP, its longer side at most `size` pixels."""
        self._place(item_id)
        digest = self._store.digest(item_id)
        return self._gallery.thumbnail(digest, size, lambda: load_picture(self.read(item_id)))

    def _place(self, item_id: int) -> str:
        item, picture = self._store.items([item_id]).get(item_id, (None, None))
        if item is None:
            raise ItemNotFound(f"no item has the id {item_id}")
        if picture is None:
            raise ItemNotFound(f"item {item_id} ({item.uri}) has no picture file")
        return picture
