"""A causal language model, small and real, is tuned by captions and given heads, as the benchmark does it."""

from __future__ import annotations

from argparse import Namespace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from bench import language_rows
from bench.language_models import costs, cut, gains, retrieval
from bench.language_rows import Language, Photos, Row, Run, measured, rank_best, rank_captions
from engine.encoders.mini_towers import MEANS_WIDTH
from training import own
from training.data import Photo
from training.features import cache_captions
from training.language_models import BytePieces, CausalTower, sentence_vectors

pytest.importorskip("peft", reason="tunes with peft; pip install peft")

COLORS = ("red", "green", "blue", "yellow", "white")
THINGS = ("dog", "boat", "house", "road", "child", "cup")
FRAMES = ("a {} {} here", "there is one {} {}")


def tiny() -> tuple[CausalTower, BytePieces]:
    from transformers import LlamaConfig, LlamaModel

    words = [*COLORS, *THINGS, "a", "here", "there", "is", "one"]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(["<s>", *words])}, unk_token="<s>"))
    tokenizer.pre_tokenizer = Whitespace()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words) + 1,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        initializer_range=0.05,
    )
    return CausalTower(LlamaModel(config), upper=2), BytePieces(tokenizer, 0)


def photographs() -> Photos:
    """Make photographs of things in colors, each with a caption of either frame."""
    rng = np.random.default_rng(0)
    looks = {word: rng.normal(size=MEANS_WIDTH) for word in (*COLORS, *THINGS)}
    photos, means = [], []
    for (c, color), (t, thing) in product(enumerate(COLORS), enumerate(THINGS)):
        split = "train" if (c + t) % 3 else "val"  # every word is seen in training, not every pair of them
        captions = tuple(frame.format(color, thing) for frame in FRAMES)
        photos.append(Photo(f"{color} {thing}", "flickr8k", split, captions, Path(), 0, 0))
        means.append(looks[color] + looks[thing] + rng.normal(size=MEANS_WIDTH) / 4)
    return Photos(photos, torch.tensor(np.stack(means)).float())


def rows(photos: Photos, work: Path) -> tuple[Language, list[Row]]:
    """Make the benchmark's rows; the captions without pictures are those of the training photographs."""
    (work / "language-models").mkdir(exist_ok=True)
    tower, pieces = tiny()
    language = Language("tiny", tower, pieces, cache_captions(tower, pieces, photos.all, work))
    groups = [photo.captions for photo in photos.all if photo.split == "train"]
    options = Namespace(captions=2, steps=60, pairs=16, seeds=2, work=work)
    return language, Run(photos, language, options).rows(groups)


def test_caption_contrast_raises_caption_retrieval_and_every_row_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language_rows, "HEADS", own.Recipe(steps=25))
    photos = photographs()
    language, made = rows(photos, tmp_path)
    kinds = {row.kind: row for row in made}
    assert list(kinds) == [
        "raw",
        "adapter only",
        "tuned by captions",
        "tuned, then adapter",
    ]
    hits = {kind: float((row.captions["Flickr8k val"] == 1).mean()) for kind, row in kinds.items()}
    assert hits["tuned by captions"] > hits["raw"] + 0.3  # of captions whose pairs it has not seen
    learned = {kind: row.learned for kind, row in kinds.items()}
    assert learned["raw"] == 0 < learned["tuned by captions"]
    assert learned["tuned, then adapter"] == learned["tuned by captions"] + learned["adapter only"]
    asked, told = kinds["tuned, then adapter"].ranks["Flickr8k val"]
    assert (len(asked), len(told)) == (2 * 20, 2 * 10)  # of both seeds
    assert (asked == 1).mean() > 0.5
    owners = {s: owner for s, (_, _, owner) in measured(photos, language).items()}
    assert len(costs("tiny", made, owners)) == 4 and len(retrieval("tiny", made, owners)) == 2
    assert gains("tiny", made, owners)[0].startswith("tiny, Flickr8k val: tuned less adapter only ")
    _, again = rows(photos, tmp_path)  # reads what was kept, and trains nothing
    assert [row.seconds for row in again] == [row.seconds for row in made]
    assert all(
        (a.captions["Flickr8k val"] == b.captions["Flickr8k val"]).all()
        for a, b in zip(again, made, strict=True)
    )


def test_a_causal_tower_says_what_the_whole_model_says_whatever_is_beside_it() -> None:
    from transformers import LlamaModel

    tower, pieces = tiny()
    ids, real = map(torch.from_numpy, pieces.encode(["a red dog here"]))
    torch.manual_seed(0)
    model = LlamaModel(tower.published[0].self_attn.config).eval()
    expected = torch.nn.functional.normalize(model(ids).last_hidden_state[:, 1:].mean(1), dim=-1)
    beside = sentence_vectors(tower, pieces, ["there is one azure home", "a red dog here"])
    torch.testing.assert_close(beside[1:], expected)


def test_ranks_and_cuts() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]], np.float32)
    right = np.array([[True, False, True], [False, False, True]])
    assert rank_best(scores, right).tolist() == [2, 3]
    vectors = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.6]])
    assert rank_captions(vectors, np.array([0, 0, 1, 1])).tolist() == [1, 1, 1, 3]
    photos = [Photo(s, "coco", s, ("one", "two"), Path(), 0, 0) for s in ("train", "held", "val")]
    assert [photo.captions for photo in cut(photos, 1)] == [("one",), (), ("one", "two")]
