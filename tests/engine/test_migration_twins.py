"""A change of model encodes one content once, as adding does, whichever batches its uris are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import Item, SearchEngine, migration
from engine.encoders.clip import ClipEncoder
from engine.types import Encoded
from engine.verify import verify


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many texts of each wording, and how many pictures, the encoder got, while it goes on working."""
    counts: Counter[str] = Counter()

    def counting(whole: Callable[..., Encoded]) -> Callable[..., Encoded]:
        def encode(encoder: ClipEncoder, sources: Sequence[Any]) -> Encoded:
            counts.update(source if isinstance(source, str) else "a picture" for source in sources)
            return whole(encoder, sources)

        return encode

    monkeypatch.setattr(ClipEncoder, "encode_image", counting(ClipEncoder.encode_image))
    monkeypatch.setattr(ClipEncoder, "encode_text", counting(ClipEncoder.encode_text))
    return counts


@pytest.mark.parametrize("batch", [1, 32])
def test_a_content_is_encoded_once(
    gallery: Path, photos: Path, clip: str, encoded: Counter[str], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    red, blue = ((photos / name).read_bytes() for name in ("red.png", "blue.png"))
    with SearchEngine.open(gallery, model="color") as engine:
        engine.add(Item(f"red {n}", picture=red, text="a red card") for n in range(3))
        engine.add([Item("blue", picture=blue), Item("blue again", picture=blue)])
        engine.add(
            [Item("t1", "text", "green"), Item("t2", "text", "green"), Item("t3", "text", "a red card")]
        )
    monkeypatch.setattr(migration, "BATCH", batch)
    done = migration.migrate(gallery, clip, device="cpu", queries=["anything"])
    assert done.switched and done.made == 3 + 3 + 2 + 3 and verify(gallery) == []
    captions = 3 if batch == 1 else 1  # of pictures, which are known within a batch
    compared = 3  # captions, that ask for their pictures
    assert encoded == {"a picture": 2, "green": 1, "a red card": captions + 1 + compared, "anything": 1}
    with SearchEngine.open(gallery, device="cpu") as engine:
        assert {signal.value for signal in engine.store.embeddings(1)} == {"visual", "caption"}
        for signal, embedding in engine.store.embeddings(1).items():
            assert (embedding.tokens is None) is (signal.value == "caption")
