"""Items drawn at random, to know what is usual in a gallery."""

from __future__ import annotations

import numpy as np
from sqlalchemy import func, select

from engine.store import Store
from engine.store.models import ItemRow
from engine.types import OWN, Floats, Kind


def sample(store: Store, kind: Kind, most: int, seed: int) -> Floats:
    """Return the vectors (n, dim) of up to `most` items of a kind, the same ones for the same seed."""
    with store.reading() as session:
        first, last = session.execute(
            select(func.min(ItemRow.id), func.max(ItemRow.id)).where(ItemRow.kind == kind)
        ).one()
    if first is None:
        return np.empty((0, 0), dtype=np.float32)
    drawn = np.random.default_rng(seed).integers(first, last + 1, size=4 * most)
    looks = store.looks(np.unique(drawn).tolist()[: 4 * most], OWN[kind])
    return (
        np.stack([vector for _, vector in list(looks.values())[:most]])
        if looks
        else np.empty((0, 0), np.float32)
    )
