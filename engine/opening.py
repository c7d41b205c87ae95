"""Bind a gallery to its model: a new one to the model asked for, an old one to its own."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import BadInput, GalleryMismatch
from engine.gallery import Gallery
from engine.models import DEFAULT, share_space
from engine.store import Store
from engine.store.rows import State


def bind(gallery: Gallery, store: Store, model: str | None, *, read_only: bool) -> State:
    """Return the gallery's state, which is made where there is none.

    Raises `GalleryMismatch` when a model of another space made the gallery. One that holds no vectors
    yet takes any model: it may have been left by a run that failed for want of weights.
    """
    state = store.state()
    if state is None:
        if read_only:
            raise BadInput(f"{gallery.path} holds no gallery yet; make one with: crosslight index SOURCE")
        with gallery.writing():
            state = store.state() or store.create(model or DEFAULT)
    if model is None or model == state.model:
        return state
    if share_space(model, state.model) and (state.stamp is not None or read_only):
        return replace(state, model=model)
    if state.stamp is not None or read_only:
        raise GalleryMismatch(
            f"{gallery.path} was made by the model {state.model}, not {model}; "
            f"open it without naming a model, or change its model: crosslight migrate --model {model}"
        )
    with gallery.writing():
        store.set_model(model)
    return replace(state, model=model)
