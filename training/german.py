"""German: the word pieces of `mini-de`, each placed among MiniLM's by what it translates to.

    python -m training.german --data DIR --cldr DIR

Nothing behind the embeddings is trained: German gets a vocabulary of its own, and the embedding of a
German piece is the mean of those of the ten English pieces that translate it best, weighted by how well.
What ships is the names of these ten and their shares, so it fits any weights of mini.

A new vocabulary under a body that stays: Artetxe et al., arXiv 1910.11856; placed by translation:
Minixhofer et al. (WECHSEL), arXiv 2112.06598; translation: IBM model 1, Brown et al. 1993, over sets.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from engine.encoders.weights import TOKENIZER, pull_mini
from training.parallel import CAPTIONS, Pair, read_captions, read_names

log = logging.getLogger("training")

BUNDLE = Path(__file__).parent.parent / "data" / "models" / "mini-de"
PIECES = 14_000
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
ROUNDS = 5  # of expectation and maximization
SHARPNESS = 2  # translations are weighted by this power of their probability
NAMES_COUNT = 20  # times, in learning pieces: each stands once, and should be whole
KEPT = 10  # translations of a piece

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def learn_pieces(texts: Iterable[str]) -> Tokenizer:
    """Learn German word pieces, in lower case, with umlauts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=PIECES, special_tokens=MARKS, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def sets(tokenizer: Tokenizer, groups: Iterable[Sequence[str]]) -> list[Ints]:
    """Tell which pieces each group of texts has."""
    rows = (tokenizer.encode_batch(list(group), add_special_tokens=False) for group in groups)
    return [np.unique([piece for row in group for piece in row.ids]).astype(np.int64) for group in rows]


def translate(german: Sequence[Ints], english: Sequence[Ints], size: tuple[int, int]) -> Floats:
    """Estimate how often each English piece stands for each German one: counts, of that size.

    Every English piece of a pair is explained by the German pieces of that pair.
    """
    chance: Floats | None = None
    for number in range(ROUNDS):
        counts = np.zeros(size, np.float32)
        for ours, theirs in zip(german, english, strict=True):
            place = np.ix_(ours, theirs)
            share = np.ones((len(ours), len(theirs)), np.float32) if chance is None else chance[place]
            counts[place] += share / share.sum(0)
        log.info("translation, round %d", number + 1)
        chance = counts / np.maximum(counts.sum(1, keepdims=True), 1e-9) + np.float32(1e-12)
    return counts


def mix(counts: Floats) -> tuple[Ints, Floats]:
    """Keep of each German piece its most likely translations, and their shares: twice (pieces, KEPT)."""
    kept, best = torch.from_numpy(counts).topk(KEPT)
    shares = (kept.numpy() / np.maximum(counts.sum(1, keepdims=True), 1e-9)) ** SHARPNESS
    return best.numpy(), shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)


def make(pairs: Sequence[Pair], names: int, weights: Path) -> tuple[Tokenizer, Ints, Floats]:
    """Make word pieces and what each is mixed of; the last `names` of the pairs are names of things."""
    english_tokenizer = Tokenizer.from_file(str(weights / TOKENIZER))
    repeated = [*pairs, *list(pairs[len(pairs) - names :]) * (NAMES_COUNT - 1)]
    tokenizer = learn_pieces(text for pair in repeated for text in pair.german)
    german = sets(tokenizer, (pair.german for pair in pairs))
    english = sets(english_tokenizer, (pair.english for pair in pairs))
    used = np.unique(np.concatenate(english))
    columns = [np.searchsorted(used, pieces) for pieces in english]
    best, shares = mix(translate(german, columns, (tokenizer.get_vocab_size(), len(used))))
    mixtures = used[best]
    vocabulary = english_tokenizer.get_vocab()
    for piece in np.flatnonzero(
        shares.sum(1) == 0
    ).tolist():  # it never occurred: the same letters in English
        mixtures[piece, 0] = vocabulary.get(tokenizer.id_to_token(piece) or "", vocabulary["[UNK]"])
        shares[piece, 0] = 1
    return tokenizer, mixtures, shares


def export(folder: Path, tokenizer: Tokenizer, mixtures: Ints, shares: Floats) -> None:
    """Write what ships beside the card."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER), pretty=False)
    tensors = {"english": mixtures.astype(np.int16), "shares": shares.astype(np.float16)}
    path = folder / "pieces.safetensors"
    save_file({name: torch.from_numpy(array) for name, array in tensors.items()}, path)
    path.chmod(0o644)  # safetensors makes files that only their owner can read
    config = {"pieces": len(shares), "kept": KEPT, "rounds": ROUNDS, "sharpness": SHARPNESS}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Make the word pieces of `mini-de`; it takes minutes, so a run that was cut is begun again."""
    parser = argparse.ArgumentParser(description="Make the German word pieces of mini-de.")
    parser.add_argument("--data", type=Path, default=Path("../shared"), help=f"folder that holds {CAPTIONS}")
    parser.add_argument("--cldr", type=Path, required=True, help="Unicode's CLDR, such as Debian's")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    captions, names = read_captions(chosen.data), read_names(chosen.cldr)
    log.info("%d pictures, %d pictographs", len(captions), len(names))
    tokenizer, mixtures, shares = make([*captions, *names], len(names), pull_mini(progress=log.info))
    export(BUNDLE, tokenizer, mixtures, shares)
    log.info("%d pieces in %s", len(shares), BUNDLE)


if __name__ == "__main__":
    main()
