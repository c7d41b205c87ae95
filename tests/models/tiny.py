"""Tiny models of real classes, with random weights, saved to disk as `save_pretrained` saves any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import BertTokenizer

WORDS = (
    *(
        "a",
        "the",
        "red",
        "green",
        "blue",
        "white",
        "picture",
        "of",
        "dog",
        "what",
        "color",
        "is",
        "in",
        "two",
    ),
    *("yes", "no", "snow", "?", ".", "temple"),
)
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", *WORDS)
ANSWERS = {0: "red", 1: "green", 2: "blue", 3: "two"}
TEXT = {
    "vocab_size": len(VOCABULARY), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 16,
}  # fmt: skip
ENDS = {"bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}


def tokenizer() -> Any:
    return BertTokenizer(vocab={word: n for n, word in enumerate(VOCABULARY)}, model_max_length=24)


def save(model: Any, folder: Path, *beside: Any) -> Path:
    """Save a model and what prepares its input, its weights drawn wide enough that every input counts."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    for part in (model, *beside):
        part.save_pretrained(folder)
    return folder


def blip(kind: str, folder: Path) -> Path:
    """A BLIP of a class: ImageTextRetrieval, QuestionAnswering or ConditionalGeneration."""
    import transformers

    text = {**TEXT, **ENDS, "encoder_hidden_size": 16, "projection_dim": 8}
    config = transformers.BlipConfig(
        text_config=text, vision_config=VISION, image_text_hidden_size=8, projection_dim=8
    )
    model = getattr(transformers, f"BlipFor{kind}")(config)
    pictures = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    return save(model, folder, transformers.BlipProcessor(pictures, tokenizer()))


def vilt(kind: str, folder: Path) -> Path:
    """A ViLT of a class: ImageAndTextRetrieval or QuestionAnswering."""
    import transformers

    labels = {} if kind == "ImageAndTextRetrieval" else {"id2label": ANSWERS}
    sizes = {name: value for name, value in TEXT.items() if name != "max_position_embeddings"}
    config = transformers.ViltConfig(
        **sizes, max_position_embeddings=24, image_size=32, patch_size=16, **labels
    )
    model = getattr(transformers, f"ViltFor{kind}")(config)
    pictures = transformers.ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=16)
    return save(model, folder, transformers.ViltProcessor(pictures, tokenizer()))


def git(folder: Path) -> Path:
    """A GIT, which writes captions."""
    import transformers

    config = transformers.GitConfig(
        **TEXT, vision_config=VISION, bos_token_id=2, eos_token_id=3, pad_token_id=0
    )
    pictures = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = transformers.GitProcessor(pictures, tokenizer())
    return save(transformers.GitForCausalLM(config), folder, processor)


def lxmert(folder: Path) -> Path:
    """An LXMERT that answers questions, with names for its answers."""
    import transformers

    sizes = {name: value for name, value in TEXT.items() if name != "num_hidden_layers"}
    layers = {"l_layers": 1, "x_layers": 1, "r_layers": 1}
    config = transformers.LxmertConfig(**sizes, **layers, num_qa_labels=len(ANSWERS), id2label=ANSWERS)
    return save(transformers.LxmertForQuestionAnswering(config), folder, tokenizer())


def visual_bert(folder: Path, width: int = 2048) -> Path:
    """A VisualBERT that answers questions."""
    import transformers

    config = transformers.VisualBertConfig(**TEXT, visual_embedding_dim=width, id2label=ANSWERS)
    return save(transformers.VisualBertForQuestionAnswering(config), folder, tokenizer())


def clip(folder: Path) -> Path:
    """A CLIP, which sentence-transformers reads as an encoder of texts and pictures."""
    import transformers

    config = transformers.CLIPConfig(
        text_config={**TEXT, **ENDS, "projection_dim": 8},
        vision_config={**VISION, "projection_dim": 8},
        projection_dim=8,
    )
    pictures = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    return save(transformers.CLIPModel(config), folder, transformers.CLIPProcessor(pictures, tokenizer()))


def bert(folder: Path) -> Path:
    """A BERT, which reads texts alone."""
    import transformers

    return save(transformers.BertModel(transformers.BertConfig(**TEXT)), folder, tokenizer())


MARKS = {
    "vision_start_token": "<|vision_start|>", "vision_end_token": "<|vision_end|>",
    "image_token": "<|image_pad|>", "video_token": "<|video_pad|>",
}  # fmt: skip
TURNS = ("<|im_start|>", "<|im_end|>")
CHAT = (
    "{% for turn in messages %}<|im_start|>{{ turn['role'] }} {% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>{% endfor %}"
)


def qwen(folder: Path) -> Path:
    """A cross-encoder made of a Qwen2-VL: the log-odds of "yes" as its next word."""
    import transformers
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.cross_encoder.modules import LogitScore
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", *TURNS, *MARKS.values(), "[UNK]", *WORDS, "user", "query", "document"]
    ids = {word: n for n, word in enumerate(words)}
    plain = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain,
        unk_token="[UNK]",
        pad_token="[PAD]",
        eos_token=TURNS[1],
        extra_special_tokens=MARKS,
    )
    sizes: dict[str, Any] = {"patch_size": 4, "temporal_patch_size": 2, "merge_size": 2}
    sizes |= {"min_pixels": 64, "max_pixels": 1024}
    processor = transformers.Qwen2VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(**sizes),
        tokenizer=tokens,
        video_processor=transformers.Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT,
    )
    text = {**TEXT, "vocab_size": len(words), "num_key_value_heads": 2, "max_position_embeddings": 512}
    text |= {
        "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]},
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    vision = {"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 1, "patch_size": 4}
    config = transformers.Qwen2VLConfig(
        text_config=text, vision_config=vision, **{f"{name}_id": ids[mark] for name, mark in MARKS.items()}
    )
    save(transformers.Qwen2VLForConditionalGeneration(config), folder / "parts", processor)
    reads = Transformer(str(folder / "parts"), transformer_task="any-to-any")
    encoder = CrossEncoder(modules=[reads, LogitScore(ids["yes"], ids["no"])], device="cpu")
    encoder.save_pretrained(str(folder / "whole"))
    return folder / "whole"


SIZES = {"min_size": 64, "max_size": 96}  # pixels of a side, as a detector sees a picture


def detector(folder: Path) -> Path:
    """A Faster R-CNN of two classes over a MobileNet."""
    from torchvision.models import detection

    torch.manual_seed(0)
    model = detection.fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None, num_classes=3)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.bias.copy_(
            torch.tensor([-1.0, 1.0, 0.0])
        )  # of dogs it is sure
    path = folder / "detector.pth"
    torch.save({"model": model.state_dict(), "categories": ["dog", "kite"], **SIZES}, path)
    return path


RESNET = {"DEPTH": 50, "STEM_OUT_CHANNELS": 8, "RES2_OUT_CHANNELS": 16, "WIDTH_PER_GROUP": 4}
STAGES = ["res2", "res3", "res4", "res5"]
PYRAMID = ["p2", "p3", "p4", "p5"]
C4 = {  # a Faster R-CNN of two classes over a narrow ResNet, as a config of Detectron2
    "MODEL": {
        "META_ARCHITECTURE": "GeneralizedRCNN",
        "RESNETS": RESNET,
        "ROI_HEADS": {"NUM_CLASSES": 2},
        "WEIGHTS": "weights.pth",
    },
    "INPUT": {"MIN_SIZE_TEST": 64, "MAX_SIZE_TEST": 96},
}
FPN = {
    "MODEL": {
        **C4["MODEL"],
        "BACKBONE": {"NAME": "build_resnet_fpn_backbone"},
        "RESNETS": {**RESNET, "OUT_FEATURES": STAGES},
        "FPN": {"IN_FEATURES": STAGES, "OUT_CHANNELS": 16},
        "ANCHOR_GENERATOR": {"SIZES": [[8], [16], [32], [64], [128]]},
        "RPN": {"IN_FEATURES": [*PYRAMID, "p6"]},
        "ROI_HEADS": {"NAME": "StandardROIHeads", "IN_FEATURES": PYRAMID, "NUM_CLASSES": 2},
        "ROI_BOX_HEAD": {"NAME": "FastRCNNConvFCHead", "NUM_FC": 1, "FC_DIM": 32, "POOLER_RESOLUTION": 7},
    },
    "INPUT": {**C4["INPUT"], "FORMAT": "RGB"},
}


def detectron2(folder: Path, described: dict[str, Any]) -> Path:
    """A config as Detectron2 dumps it, its weights beside it, and what its classes are called."""
    from detectron2.config import CfgNode, get_cfg
    from detectron2.modeling import build_model

    cfg = get_cfg()
    cfg.merge_from_other_cfg(CfgNode(described))
    cfg.MODEL.DEVICE = "cpu"
    torch.manual_seed(0)
    model = build_model(cfg)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    torch.save({"model": model.state_dict()}, folder / "weights.pth")
    (folder / "model.txt").write_text("dog\nkite\n", "utf-8")
    (folder / "model.yaml").write_text(cfg.dump(), "utf-8")
    return folder / "model.yaml"


MAKERS: dict[str, Callable[[Path], Path]] = {
    "blip-matching": lambda folder: blip("ImageTextRetrieval", folder),
    "vilt-matching": lambda folder: vilt("ImageAndTextRetrieval", folder),
    "blip-answers": lambda folder: blip("QuestionAnswering", folder),
    "vilt-answers": lambda folder: vilt("QuestionAnswering", folder),
    "lxmert": lxmert,
    "visual-bert": visual_bert,
    "visual-bert-narrow": lambda folder: visual_bert(folder, 512),
    "blip-captions": lambda folder: blip("ConditionalGeneration", folder),
    "git": git,
    "clip": clip,
    "bert": bert,
    "qwen": qwen,
    "detector": detector,
    "detectron2-c4": lambda folder: detectron2(folder, C4),
    "detectron2-fpn": lambda folder: detectron2(folder, FPN),
}
