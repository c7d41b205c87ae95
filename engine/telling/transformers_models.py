"""Models of transformers that tell, by name or path: the class that a model was saved as says how to ask it.

hf:NAME_OR_PATH                writes captions (BLIP, GIT), or answers questions (BLIP, ViLT)
hf:NAME_OR_PATH@FILE           answers questions by regions (LXMERT, VisualBERT), which a detector finds
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from engine.checkpoints import Loaded, fitting, load
from engine.devices import default_device
from engine.errors import ModelUnavailable
from engine.telling import Answerer, Captioner
from engine.telling.transformers_answers import Scores, TransformersAnswerer, blip, lxmert, vilt, visual_bert
from engine.telling.transformers_captions import CAPTIONERS, TransformersCaptioner

CAPTIONING, ANSWERING = "writing captions", "answering questions on a picture"
BY_PICTURE: Mapping[str, Callable[..., Scores]] = {
    "BlipForQuestionAnswering": blip,
    "ViltForQuestionAnswering": vilt,
}
BY_REGIONS: Mapping[str, Callable[..., Scores]] = {
    "LxmertForQuestionAnswering": lxmert,
    "VisualBertForQuestionAnswering": visual_bert,
}


def load_captioner(reference: str, device: str | None) -> Captioner:
    """Load a model that writes captions; raises `ModelUnavailable` for one that does not, or is damaged."""
    name = fitting(reference, CAPTIONING, CAPTIONERS)
    return TransformersCaptioner(f"hf:{reference}", load(reference, name, device or default_device()))


def load_answerer(reference: str, device: str | None) -> Answerer:
    """Load a model that answers questions; raises `ModelUnavailable` for one that does not, or is damaged."""
    model, checkpoint = _split(reference)
    name = fitting(model, ANSWERING, BY_PICTURE.keys() | BY_REGIONS.keys())
    if name in BY_PICTURE:
        if checkpoint is not None:
            raise ModelUnavailable(f"{model} is a {name}, which reads no regions; leave @{checkpoint} out")
        loaded = load(model, name, device or default_device())
        _check_names(model, loaded)
        return TransformersAnswerer(f"hf:{reference}", loaded, partial(BY_PICTURE[name], loaded))
    if checkpoint is None:
        raise ModelUnavailable(
            f"{model} is a {name}, which reads regions; say which detector finds them: hf:{model}@FILE"
        )
    from engine.detection import open_detector

    detector = open_detector(checkpoint, device or default_device())
    loaded = load(model, name, device or default_device(), texts_only=True)
    _check_width(model, loaded)
    _check_names(model, loaded)
    return TransformersAnswerer(f"hf:{reference}", loaded, partial(BY_REGIONS[name], loaded, detector))


def _check_width(model: str, loaded: Loaded) -> None:
    from engine.detection import WIDTH

    config = loaded.model.config
    wanted = getattr(config, "visual_feat_dim", None) or getattr(config, "visual_embedding_dim", WIDTH)
    if wanted != WIDTH:
        raise ModelUnavailable(
            f"{model} reads {wanted} numbers a region, a detector here gives {WIDTH}; use a model that reads "
            f"{WIDTH}"
        )


def _check_names(model: str, loaded: Loaded) -> None:
    """Refuse a model that chooses among answers without saying what they are."""
    config = loaded.model.config
    scored = getattr(config, "num_qa_labels", config.num_labels)
    if len(config.id2label) < scored:
        raise ModelUnavailable(
            f"{model} scores {scored} answers and its config.json names {len(config.id2label)}; put their "
            "names there as id2label"
        )


def _split(reference: str) -> tuple[str, str | None]:
    """Part a model from its detector, where the last @ leads to a file or looks like a path."""
    model, at, checkpoint = reference.rpartition("@")
    if at and not Path(reference).expanduser().is_dir():
        return model, checkpoint
    return reference, None
