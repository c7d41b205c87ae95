"""Regions of pictures: boxes with labels and features, and the words that the labels are searched by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from engine.store.models import RegionRow
from engine.store.rows import Record, slices
from engine.types import LabeledRegion, Region

SURE = 0.5  # labels that are less sure than this are shown, but not searched


def write_regions(session: Session, records: Mapping[int, Record], known: Iterable[int]) -> None:
    """Write the regions of items by id that have new ones; those that no detector vouches for any more go.

    `known` are the items that were there before.
    """
    was = ((item_id, records[item_id]) for item_id in known)
    forget_regions(session, [i for i, r in was if r.regions is not None or r.detector is None])
    rows = [
        _values(item_id, place, region)
        for item_id, record in records.items()
        for place, region in enumerate(record.regions or ())
    ]
    if rows:
        session.execute(insert(RegionRow), rows)


def forget_regions(session: Session, ids: Sequence[int]) -> None:
    """Remove the regions of these items."""
    for some in slices(ids):
        session.execute(delete(RegionRow).where(RegionRow.item_id.in_(some)))


def read_regions(
    session: Session, ids: Sequence[int], *, features: bool
) -> dict[int, tuple[LabeledRegion, ...]]:
    """Return the regions of items by id, the surest first, with their features where these are wanted."""
    found: dict[int, list[LabeledRegion]] = {}
    columns = [column for column in RegionRow.__table__.columns if features or column.name != "feature"]
    for some in slices(ids):
        wanted = select(*columns).where(RegionRow.item_id.in_(some))
        for row in session.execute(wanted.order_by(RegionRow.item_id, RegionRow.place)):
            found.setdefault(row.item_id, []).append(_region(row, features))
    return {item_id: tuple(regions) for item_id, regions in found.items()}


def labels_of(session: Session, ids: Sequence[int] | None = None) -> dict[int, str]:
    """Return the labels that are searched of items (`None`: all), a line each."""
    found: dict[int, list[str]] = {}
    for some in [None] if ids is None else slices(ids):
        wanted = select(RegionRow.item_id, RegionRow.label).where(RegionRow.score >= SURE)
        wanted = wanted if some is None else wanted.where(RegionRow.item_id.in_(some))
        for item_id, label in session.execute(wanted.order_by(RegionRow.item_id, RegionRow.place)):
            found.setdefault(item_id, []).append(label)
    return {item_id: "\n".join(dict.fromkeys(labels)) for item_id, labels in found.items()}


def _values(item_id: int, place: int, region: LabeledRegion) -> dict[str, Any]:
    box = region.box
    feature = None if region.feature is None else region.feature.astype("<f2").tobytes()
    return {
        "item_id": item_id, "place": place, "x": box.x, "y": box.y, "width": box.width, "height": box.height,
        "label": region.label, "score": region.score, "feature": feature,
    }  # fmt: skip


def _region(row: Any, features: bool) -> LabeledRegion:
    known = row.feature if features else None
    feature = None if known is None else np.frombuffer(known, dtype="<f2").astype(np.float32)
    return LabeledRegion(Region(row.x, row.y, row.width, row.height), row.label, row.score, feature)
