"""A model and the index of its vectors: what a search asks, and what a change of model exchanges as one."""

from __future__ import annotations

import threading
from dataclasses import replace

from engine import checksums
from engine.batching import Batched, ModelThread
from engine.budget import Pace
from engine.errors import GalleryMismatch
from engine.files import disk_errors
from engine.gallery import Gallery
from engine.generation import Generation, forget_model, latest
from engine.index import Aim
from engine.learned import Learning
from engine.memory import give_back
from engine.models import Model, load_model
from engine.rerank import Reranker
from engine.rerankers import load_reranker
from engine.store import Store
from engine.store.rows import State


class Serving:
    """One model of a gallery, loaded when it is first needed, and the generation of its vectors.

    The model runs in one thread, the index under a lock.
    """

    def __init__(
        self,
        gallery: Gallery,
        store: Store,
        state: State,
        *,
        device: str | None,
        index: Aim | None,
        reranker: str | None = None,
        loaded: Model | None = None,
    ) -> None:
        self.key = state.model
        self.model_id = state.model_id
        self.store = store.of(state.model_id)
        self.model_thread = ModelThread()
        self._load_lock = threading.Lock()
        self.view_lock = threading.RLock()
        self.pace = Pace()  # of its reranker, on this machine
        self.generation = latest(gallery.generations, state, index.kind if index else None)
        self.generation.aim(index or Aim())
        self.files = gallery
        self.gallery = state.gallery  # its name, which is no other's
        self._device = device
        self._loaded = None if loaded is None else self._shared(loaded)
        self._named = reranker
        self._reranker: Reranker | None = None  # the one of that name, once it is loaded
        self._learning = Learning(gallery.path)

    def load(self) -> Model:
        """Return the model, loaded once, with what the gallery has learned.

        Raises `GalleryMismatch` for other weights than the vectors'.
        """
        with self._load_lock:
            if self._loaded is None:
                model = load_model(self.key, self._device)
                stamp = self.store.stamp()
                if stamp not in (None, model.encoder.stamp):
                    raise GalleryMismatch(
                        f"{self.files.path} holds vectors of {self.key} as it was ({stamp}), the "
                        f"weights here are others ({model.encoder.stamp}); bring the gallery to them with: "
                        f"crosslight migrate --model {self.key}"
                    )
                self._loaded = self._shared(model)
            model = self._learning.applied(self._loaded)
            if self._named is not None and self._reranker is None:
                self._reranker = load_reranker(self._named, model.device)
            return model if self._reranker is None else replace(model, reranker=self._reranker)

    def passes(self) -> dict[str, tuple[int, int]]:
        """Count the passes of the encoder, and their inputs, by kind; nothing before the model is loaded."""
        shared = self._loaded.encoder if self._loaded else None
        if not isinstance(shared, Batched):
            return {}
        texts, pictures = shared.texts, shared.pictures
        return {"texts": (texts.passes, texts.inputs), "pictures": (pictures.passes, pictures.inputs)}

    def _shared(self, model: Model) -> Model:
        """Let threads that want something encoded at the same time have it in one pass."""
        return replace(model, encoder=Batched(model.encoder, self.model_thread))

    def load_to_write(self) -> Model:
        """Return the model, and mark the vectors that it will make as its own."""
        model = self.load()
        if self.store.stamp() is None:
            self.store.set_stamp(model.encoder.stamp, model.encoder.dim)
        return model

    def refresh(self, state: State) -> None:
        """Take in what any process had committed when the state was read, while this model is searched."""
        with self.view_lock:
            if state.model_id == self.model_id and state.revision > self.generation.revision:
                self.generation.catch_up(self.store)

    def rebuild(self) -> None:
        """Make the generation anew from the store, and write it; the old one is searched meanwhile."""
        with disk_errors(self.files.path):
            now = self.generation
            fresh = Generation(now.kind, self.model_id, recall=now.recall, memory=now.memory)
            fresh.catch_up(self.store)
            fresh = fresh.settled()
            forget_model(self.files.generations, self.model_id)
            self._exchange(fresh)

    def save(self) -> None:
        """Give each signal the index that suits it, and write the generation; the old is searched meanwhile.

        For the gallery's writer alone.
        """
        with disk_errors(self.files.path):
            self._exchange(self.generation.settled())

    def _exchange(self, fresh: Generation) -> None:
        """Write a generation, and search it from then on."""
        checksums.save(fresh, self.files.generations, self.gallery)
        with self.view_lock:
            self.generation = fresh
        give_back()
