"""Stage 5, joint: the second opinion, a vocabulary and the crowd are put together with the tuned heads.

Nothing is learned here by descent: the names of the thousand classes are encoded, the principal
components of both opinions are taken, and the banks are filled: with captions, a third of training
photographs and the others without pictures, and with mirror images of training photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.encoders.mini_joint import CAPTIONS, PICTURES, Joint, nearness
from engine.encoders.mini_shape import RANK
from training.data import SEED, select
from training.features import MIRROR, WHOLE
from training.gallery import Gallery, encode_pictures
from training.heads import Feed
from training.model import Model
from training.plain import Plain, Towers, class_captions, read_texts


@torch.inference_mode()
def furnish(joint: Joint, model: Model, feed: Feed, plain: Plain, towers: Towers) -> None:
    """Fill in classes, basis and banks of `joint`, whose plain heads are trained."""
    rng = np.random.default_rng(SEED)
    names, _ = read_texts(towers, model, class_captions())
    joint.classes.copy_(names - names.mean(0))
    photos = rng.permutation(select(feed.photos, "train"))[: max(PICTURES, CAPTIONS // 3)].tolist()
    seen = [str(rng.choice(feed.photos[i].captions)) for i in photos[: CAPTIONS // 3]]
    captions = sorted(seen + feed.corpus.draw(CAPTIONS - len(seen), rng), key=len)
    texts = joint.opinions_of_texts(*read_texts(towers, model, captions))
    photos = photos[:PICTURES]
    vectors, _ = encode_pictures(model, [own[MIRROR] for own in feed.views], photos)
    means = plain.means[MIRROR, photos]
    pictures = joint.opinions_of_pictures(vectors, means, towers.image.classifiers(means))
    scatter = texts.T @ texts / len(texts) + pictures.T @ pictures / len(pictures)
    joint.basis.copy_(torch.linalg.eigh(scatter).eigenvectors[:, -RANK:])
    joint.captions.copy_(joint.inner(texts))
    joint.photographs.copy_(joint.inner(pictures))
    joint.usual[0] = nearness(joint.photographs, joint.captions).mean()
    joint.usual[1] = nearness(joint.captions, joint.photographs).mean()


@torch.inference_mode()
def joined(
    gallery: Gallery, positions: Sequence[int], joint: Joint, feed: Feed, plain: Plain, towers: Towers
) -> Gallery:
    """Give a gallery of whole pictures the joint vectors in place of those of the tuned heads."""
    first = feed.states.first
    captions = [c for i in positions for c in range(first[i], first[i + 1])]
    means = plain.means[WHOLE, positions]
    pictures = joint.pictures(gallery.pictures, means, towers.image.classifiers(means))
    return replace(gallery, pictures=pictures, texts=joint.texts(gallery.texts, plain.meaning[captions]))
