"""Typed parameters: params.yaml, read once, checked, frozen.

A default here is what a test or a library user gets. What decides a stage's outputs stands in params.yaml, every value
of it, or DVC would not see it change (tests/test_config.py).

Every stage reads its own section. A section whose values depend on how large a corpus and a machine are holds one block
a *profile*: `published` (the sizes of the paper) and `small` (a laptop). A corpus names its profile in `datasets`.
"""

from __future__ import annotations

import re
from pathlib import Path
from reprlib import repr as brief
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from seds.errors import SedsError

ProfileName = Literal["small", "published"]
Precision = Literal["float32", "float16", "bfloat16"]
Contrast = Literal["raw", "local"]  # of what an RGB network sees; local: each colour over its mean nearby


class ConfigError(SedsError, ValueError):
    """A parameter that is unknown, missing or out of range; the message names it and says what was expected."""


def check_corpus_name(name: object) -> None:
    """Raises ConfigError for a name that a path, a stage of DVC, a shell or YAML could read as something else."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        raise ConfigError(
            f"{name!r} cannot be the name of a corpus; use letters from a to z, digits, _ and -, a letter first and at "
            "most 64 in all, and name its folder in data/raw likewise"
        )


class Section(BaseModel):
    """A frozen block of parameters that refuses unknown keys and names the known ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: Any) -> Any:
        if isinstance(values, dict):
            unknown = sorted(set(values) - set(cls.model_fields))
            if unknown:
                raise ValueError(
                    f"unknown key {', '.join(map(repr, unknown))}; known keys: {', '.join(cls.model_fields)}"
                )
        return values


class Machine(Section):
    """What this machine offers. Changes no result, so no stage depends on it."""

    workers: int | None = Field(None, ge=1)  # processes for decoding and CPU inference; null = one a core
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_minutes: float = Field(10.0, ge=0)  # of training, what a crash can cost at most; 0 = kept at every step


class Extract(Section):
    """Who runs pose and rgb and makes an index of several files. Changes no result, so no stage depends on it."""

    engine: Literal["local", "ray"] = "local"
    address: str | None = None  # of a Ray cluster; null = the one RAY_ADDRESS names, else one is started here


# Corpora that come without videos: with the keypoints, and perhaps RGB features, that were imported (seds.extraction.
# imported) from the published release, or from keypoints that others extracted.
IMPORTED = ("released", "keypoints")


class Participant(Section):
    """One of several people who are annotated together: where they are to be seen."""

    media: str | None = None  # the video of a camera of their own: its name or a pattern; null = that of all
    bbox: str | None = None  # in a picture with others: "left,top,right,bottom" px; null = the whole frame


class Dataset(Section):
    """A corpus whose files lie in data/raw/<name>."""

    corpus: str  # which reader of seds.corpora.readers knows its files
    profile: Literal["small", "published", "auto"] = "auto"  # auto = published where there is a GPU
    wrist_margin: float | None = Field(
        None, ge=0, lt=1
    )  # fraction of frame height, SPEC "elbow fallback"; null = no such rule
    annotations: str | None = None  # folder: its table, a path in data/raw/<name>; null = videos.csv, .tsv or .parquet
    captions: str | None = (
        None  # English texts, file or folder in the corpus's own (seds.corpora.readers.texts); null = none
    )
    # pose: an imported corpus of keypoints alone, so that no RGB features are asked for and a model of pose is trained
    streams: Literal["both", "pose"] | None = None  # null = both
    # elan (seds.corpora.readers.elan): names of tiers, or patterns such as "*Translation*"
    sentence_tiers: str | tuple[str, ...] | None = None  # whose annotations are the sentences
    sign_tiers: str | tuple[str, ...] | None = None  # signs of the hands
    nonmanual_tiers: str | tuple[str, ...] | None = None  # markers in face and head
    media: str | None = None  # which of several videos, its name or a pattern; null = the first that is found
    participants: dict[str, Participant] | None = None  # by name; null = all are taken to be seen alike
    # subtitled (seds.corpora.readers.subtitled)
    language: str | None = None  # of the subtitles that are read; null = English, or the commonest
    offset_s: float | None = None  # added to the subtitles' times
    join_s: float | None = Field(None, ge=0)  # cues that continue a sentence are joined over such a pause; null = none
    shortest_s: float | None = Field(None, gt=0)  # shorter cuts are left out
    longest_s: float | None = Field(None, gt=0)  # longer ones
    unsigned: str | None = None  # regular expression of cues that are left out; null = sounds and notes in brackets
    # youtube_sl (seds.corpora.readers.youtube_sl)
    sign_language: str | None = None  # of the films that are read, such as ase; null = all

    @model_validator(mode="after")
    def _streams_of_what_is_there(self) -> Self:
        if self.streams == "pose" and self.corpus not in IMPORTED:
            raise ValueError(
                f"streams: pose is for a corpus without videos ({', '.join(IMPORTED)}), not for {self.corpus!r}; to "
                "train on the keypoints of videos alone, set train.<profile>.model.streams"
            )
        return self


class Render(Section):
    """The demo corpus."""

    seed: int
    fps: float = Field(gt=0)
    size: int = Field(ge=64)  # px, square
    signers: int = Field(ge=3)
    test_signers: int = Field(ge=1)  # of the signers, how many appear in test only
    train_sentences: int = Field(ge=1)
    dev_sentences: int = Field(ge=1)
    test_sentences: int = Field(ge=1)
    takes: int = Field(ge=1)  # videos a training sentence, each by another signer
    questions: float = Field(ge=0, le=1)  # share of the sentences, as the next
    negations: float = Field(ge=0, le=1)
    pairs: dict[Literal["brows", "mouth", "head"], Annotated[float, Field(ge=0, le=1)]]  # of dev and test


class Network(Section):
    """How a network of an extraction is computed."""

    precision: Precision  # on a GPU, of convolutions and matrix products
    compile: bool  # the network, of a pose estimator the backbone, by torch.compile

    def on(self, device: str) -> Self:
        """These on "cpu" or "cuda": half precision only makes a CPU slow, so there it is float32."""
        return self if device != "cpu" else self.model_copy(update={"precision": "float32"})


class MediapipeProfile(Section):
    estimator: Literal["mediapipe"]
    complexity: Literal[0, 1, 2]  # of the body network; the weights of 1 are in the wheel

    def on(self, device: str) -> Self:
        """These as they are: MediaPipe runs on the CPU."""
        return self


class MmposeProfile(Network):
    estimator: Literal["mmpose"]
    config: str  # a whole-body config's name
    weights: str | None  # a checkpoint's path; null = mmpose downloads the config's own
    weights_sha256: str | None


PoseProfile = MediapipeProfile | MmposeProfile


class Pose(Section):
    shard_videos: int = Field(ge=1)
    small: PoseProfile = Field(discriminator="estimator")
    published: PoseProfile = Field(discriminator="estimator")

    def of(self, profile: ProfileName) -> PoseProfile:
        return self.small if profile == "small" else self.published


class RgbProfile(Network):
    # a config of mmaction2, its name or a path; null = the Inception-I3D of seds.rgb. The config says which frames a
    # window has and how large they are, so `size`, `crop`, `width`, `alpha` and rgb.window take no part
    network: str | None = None
    weights: str | None  # an I3D checkpoint's path; null = a fixed random initialisation
    weights_sha256: str | None
    seed: int  # of the random initialisation
    size: int = Field(ge=32)  # px, frames are resized to a square
    crop: int = Field(ge=32)  # px, sampled grid over the middle 7/8 of the frame
    stride: int = Field(ge=1)  # raw frames between window starts
    contrast: Contrast = "raw"
    # share of these weights in the features; the rest is the share of the adapted encoder, where there is one
    alpha: float = Field(1.0, ge=0, le=1)
    width: float = Field(gt=0, le=1)  # of the network; 1 = Inception-I3D as published, 1024 features


class Rgb(Section):
    shard_videos: int = Field(ge=1)
    window: int = Field(ge=1)  # frames
    small: RgbProfile
    published: RgbProfile

    def of(self, profile: ProfileName) -> RgbProfile:
        return self.small if profile == "small" else self.published


class AdaptProfile(Section):
    """How the sign encoder is trained."""

    # what it learns from: nothing, so there is none | the signs table | what the weights' own classifier finds
    signs: Literal["none", "annotated", "spotted"]
    start: Literal["random", "weights"]  # weights: those of the section rgb
    seed: int = Field(ge=0)
    optimiser: Literal["adamw", "sgd"]
    lr: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)  # of sgd
    weight_decay: float = Field(ge=0)
    schedule: Literal["one_cycle", "constant"]  # one_cycle: lr rises to its peak, then falls to almost 0
    epochs: int = Field(ge=1)
    batch: int = Field(ge=2)  # signs
    nonmanual_weight: float = Field(ge=0)  # of each marker's loss, against that of the signs of the hands
    dropout: float = Field(ge=0, lt=1)  # of the features that the heads see
    jitter: float = Field(ge=0)  # frames that a window is moved at most
    scale: float = Field(ge=0, lt=1)  # most that the crop's side is changed
    shift: float = Field(ge=0, lt=1)  # most that its centre is moved, a fraction of the frame
    colour: float = Field(ge=0, lt=1)  # most that brightness and contrast are changed
    recolour: float = Field(ge=0, le=1)  # most that each hue is made darker, brighter or tinted by itself
    mirror: float = Field(ge=0, le=1)  # probability that a window is mirrored
    precision: Precision  # on a GPU


class Spotting(Section):
    """Which windows count as signs, where a classifier finds them."""

    threshold: float = Field(ge=0, lt=1)  # a window is a sign if its likeliest class has more than this probability
    gap: int = Field(ge=0)  # frames by which another sign of the same class has to begin later or earlier, or more


class Adapt(Section):
    spotting: Spotting
    small: AdaptProfile
    published: AdaptProfile

    def of(self, profile: ProfileName) -> AdaptProfile:
        return self.small if profile == "small" else self.published


class Manifest(Section):
    """Retained frames, hand crops and pose windows (SPEC 3-5); published values."""

    window: int = Field(16, ge=1)  # frames a window
    max_windows: int = Field(64, ge=1)
    max_frames: int = Field(300, ge=1)  # longer videos are subsampled
    visible: float = Field(0.1, ge=0, le=1)  # a hand joint above this confidence counts for the crop
    visible_joints: int = Field(10, ge=1, le=21)  # fewer: the elbow fallback
    arm: float = Field(0.5, ge=0, le=1)  # confidence that the elbow fallback needs of shoulder, elbow and wrist
    gate: float = Field(0.4, ge=0, le=1)  # hand joints at or below this confidence are zeroed


class PretrainProfile(Section):
    """How the pose encoder learns from keypoints without text."""

    method: Literal["none", "masked"]  # masked: joints are hidden and restored | none: nothing, so there are no weights
    seed: int = Field(ge=0)
    lr: float = Field(gt=0)
    warmup: float = Field(ge=0, lt=1)  # share of the steps
    weight_decay: float = Field(ge=0)
    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)  # videos
    decoder: int = Field(ge=1)  # its hidden units
    share: float = Field(gt=0, le=1)  # of the frames of each part, chosen
    joints: int = Field(ge=1)  # most that are put to 0 or moved in a frame
    shift: float = Field(ge=0)  # most that one is moved, in sides of the crop
    run: int = Field(ge=2)  # most frames that are hidden in a row
    confident: float = Field(gt=0, le=1)  # a joint with less confidence counts by it, others fully
    precision: Literal["float32", "bfloat16"]  # on a GPU


class Pretrain(Section):
    small: PretrainProfile
    published: PretrainProfile

    def of(self, profile: ProfileName) -> PretrainProfile:
        return self.small if profile == "small" else self.published


class SampleRules(Manifest):
    """All that decides what the model reads of a video's keypoints: the section `manifest` and the corpus's own."""

    wrist_margin: float | None = Field(None, ge=0, lt=1)  # fraction of frame height, see Dataset


class Serve(Section):
    """Limits of `seds serve`. Changes no result, so no stage depends on it."""

    hosts: tuple[str, ...] = ()  # names it answers to, beside localhost, the machine's own and addresses
    results: int = Field(50, ge=1)  # most of a search
    query_chars: int = Field(1000, ge=1)
    queue: int = Field(500, ge=1)  # searches that wait; more get 503
    cache_mb: int = Field(2000, ge=1)  # of pictures and of videos made playable
    clips: int = Field(3, ge=1)  # that arrive or wait; more get 429
    clips_kept: int = Field(20, ge=1)  # that can be looked at and played again
    clip_mb: int = Field(200, ge=1)
    clip_arrive_s: float = Field(120, gt=0)
    clip_s: float = Field(60, gt=0)  # length
    clip_frames: int = Field(3600, ge=1)
    clip_pixels: int = Field(4096 * 2160, ge=1)  # of a frame
    clip_work_s: float = Field(300, gt=0)  # until the extraction is given up
    clip_memory_mb: int = Field(3000, ge=1)  # of the extraction, beyond its libraries' own


class ModelSizes(Section):
    """What the network is made of. The defaults are the published model, 303,794,929 parameters."""

    streams: Literal["both", "pose", "rgb"] = "both"  # both are fused; one alone is a model without the other's parts
    # what a token counts for in the similarity of its video or text: all alike | as a small network says (UPRet)
    token_weights: Literal["mean", "learned"] = "mean"
    fusion: Literal["cgaf", "mlp"] = "cgaf"  # of both: Cross Gloss Attention Fusion, or a perceptron of the two tokens
    text: Literal["clip", "use"] = "clip"  # read by CLIP's tower, or by frozen vectors and a small one
    embed: int = Field(512, ge=8)  # D, the joint space; also channels of the graph networks' output
    max_windows: int = Field(64, ge=1)
    window: int = Field(16, ge=1)
    max_words: int = Field(32, ge=4)
    gcn_channels: tuple[int, int, int] = (128, 128, 256)
    gcn_out: int = 512  # frame feature of one part; left + right + body = 3 x this
    rgb_features: int = 1024
    tower_width: int = 768
    tower_layers: int = 12
    tower_heads: int = 12
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    vocabulary: int = 49408
    context: int = 77
    fusion_heads: int = 8
    fusion_keys: tuple[int, ...] = (5, 3)
    fusion_feedforward: int = 2048
    gcn_dropout: float = 0.05
    gcn_out_dropout: float = 0.25
    fusion_dropout: float = 0.1


class Losses(Section):
    match_weight: float = Field(0.4, ge=0)
    duplicates: Literal["ignore", "negative"] = "ignore"  # rows of a batch with the same text; published: negatives
    dual_mix: float = Field(0.5, ge=0, le=1)  # share of I2T; the rest is T2I
    distill_pose: float = Field(0.0, ge=0)  # weight of modality distillation towards pose; 0 = off, as published
    distill_rgb: float = Field(0.0, ge=0)
    distill_temperature: float = Field(0.01, gt=0)


class Ideas(Section):
    """What other methods of the field add to the training losses; 0 = off. docs/methods.md has the sources."""

    label_smoothing: float = Field(0.0, ge=0, lt=1)  # of the contrastive losses of videos and texts
    hard_negatives: float = Field(0.0, ge=0)  # beta of HN-NCE, how much more a likely negative counts
    sign_weight: float = Field(0.0, ge=0)  # of the loss of single signs and their labels
    substitutes_weight: float = Field(0.0, ge=0)  # of the loss of a caption among almost equal ones
    transport_weight: float = Field(0.0, ge=0)  # of the optimal transport of Gaussian tokens, added to the similarities
    caption_weight: float = Field(0.0, ge=0)  # of the loss of a decoder that writes the text


# What a method may set beside the ideas: parameters of train.<profile>.model.
_METHOD_MODEL = ("streams", "token_weights")


def _with_method(values: dict[str, Any]) -> dict[str, Any]:
    """The section `train` with the values of its method where parameters are null. Raises ValueError."""
    methods, method = values.get("methods", {}), values.get("method", "seds")
    if not isinstance(methods, dict) or not isinstance(method, str) or not (methods or method == "seds"):
        return values  # whose types are checked later
    if methods and method not in methods:
        raise ValueError(f"method: {method!r} is none of methods: {', '.join(map(str, methods))}")
    chosen = methods.get(method) or {}
    known = [*Ideas.model_fields, *_METHOD_MODEL]
    for name, one in methods.items():
        if unknown := sorted(set(one or {}) - set(known)):
            raise ValueError(f"methods.{name}: unknown key {unknown[0]!r}; a method may set {', '.join(known)}")

    def filled(section: Any, fields: dict[str, Any]) -> Any:
        if not isinstance(section, dict):
            return section
        nulls = {name: chosen.get(name, default) for name, default in fields.items() if section.get(name) is None}
        return {**section, **nulls}

    defaults = {name: field.default for name, field in Ideas.model_fields.items()}
    filled_in = {"ideas": filled(values.get("ideas", {}), defaults)}
    of_model = {name: ModelSizes.model_fields[name].default for name in _METHOD_MODEL}
    for name in ("small", "published"):
        profile = values.get(name)
        if isinstance(profile, dict):
            filled_in[name] = {**profile, "model": filled(profile.get("model", {}), of_model)}
    return {**values, **filled_in}


class Augment(Section):
    """How far a training video is changed at random, at most; 0 = not at all."""

    rotation: float = Field(0.0, ge=0, le=90)  # degrees
    scale: float = Field(0.0, ge=0, lt=1)  # share of width and height
    shear: float = Field(0.0, ge=0, lt=1)
    shift: float = Field(0.0, ge=0, lt=1)  # of the body, share of the frame
    noise: float = Field(0.0, ge=0)  # of each joint, standard deviation, px of a frame of 256
    speed: float = Field(0.0, ge=0, le=1)  # 0.25: up to 1.25 times as fast or as slow
    phrases: float = Field(0.0, ge=0, le=1)  # probability that a clip of a single sign is joined with others

    @property
    def on(self) -> bool:
        return any(self.model_dump().values())


class TrainProfile(Section):
    model: ModelSizes
    augment: Augment = Augment()
    clip: str | None = None  # CLIP weights: a path, or an open_clip pretrained tag such as "openai"; null = random
    signbert: str | None = None  # pretrained pose encoder: path of the release's pretrain_signbert.pth; null = random
    signbert_allow: tuple[str, ...] = ()  # its tensors to leave out, such as a pretraining head's
    lr: float = Field(gt=0)  # pose encoder and fusion
    lr_clip: float = Field(gt=0)  # factor on lr for the CLIP-initialised towers
    epochs: int = Field(ge=1)
    batch: int = Field(ge=2)  # sentences, over all processes
    micro_batch: int | None = Field(None, ge=1)  # sentences whose activations a process holds at a time; null = all
    checkpointing: bool = False  # layers keep their inputs alone and are computed again: a third more arithmetic
    compile: bool = False  # the towers' blocks, by torch.compile
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products; the rest, and all weights, are float32
    standardise_rgb: bool = False  # features minus their training mean, over their deviation


class Train(Section):
    numerics: Literal["default", "published"] = "default"
    stream_weights: Literal["dev", "equal"] = "equal"  # pose against RGB in the fusion; published: equal
    losses: Losses
    method: str = "seds"  # of `methods`: what is null below `ideas`, and in a model, is as it says
    methods: dict[str, dict[str, str | float] | None] = {}
    ideas: Ideas = Ideas()
    swap: float = Field(0.5, ge=0, le=1)  # probability that two words of a training text are swapped
    warmup: float = Field(0.1, ge=0, lt=1)  # share of the steps
    weight_decay: float = Field(0.001, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    # epochs between two evaluations on training sentences; null = only at the end
    eval_train_every: int | None = Field(None, ge=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(None, min_length=1)  # a model each; null = `seed`
    small: TrainProfile
    published: TrainProfile

    def of(self, profile: ProfileName) -> TrainProfile:
        return self.small if profile == "small" else self.published

    @model_validator(mode="before")
    @classmethod
    def _as_the_method_has_it(cls, values: Any) -> Any:
        return _with_method(values) if isinstance(values, dict) else values

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if seeds is not None and len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands there twice; each trains a model of its own")
        return seeds


class FineGrained(Section):
    """Each caption among others that differ from it in one or two words."""

    captions: int = Field(40, ge=0)  # others, at most; 0 = no such test
    sentences: int = Field(500, ge=1)  # of the test split that are asked, at most


class Evaluate(Section):
    bootstrap: int = Field(1000, ge=0)  # resamples of the queries for the intervals of the metrics; 0 = none
    seed: int = 0
    published_ties: bool = False  # the published rule's metrics beside ours
    fine_grained: FineGrained = FineGrained()


class Index(Section):
    splits: tuple[Literal["train", "dev", "test"], ...] = Field(min_length=1)  # whose videos can be found
    first_pass: int = Field(ge=1)  # up to so many videos all are scored exactly
    candidates: int = Field(ge=1)  # of a larger gallery, how many the first pass leaves to exact scoring
    # Videos per file. Batches of videos must not depend on it (seds.model.encoding).
    shard_videos: int = Field(ge=32, multiple_of=32)


class Report(Section):
    """The page on an evaluation."""

    worst: int = Field(8, ge=0)  # queries with pictures in each direction, those found last
    best: int = Field(3, ge=0)  # and those found first by the widest margin
    frames: int = Field(4, ge=1, le=20)  # pictures of a video
    search_url: str | None = Field(
        None, pattern=r"^https?://[^\s/]+"
    )  # of `seds serve`, which links lead to; null = none


class Params(Section):
    seed: int
    lr: float | None = Field(None, gt=0)
    machine: Machine
    extract: Extract
    serve: Serve
    datasets: dict[str, Dataset]
    render: Render
    pose: Pose
    adapt: Adapt
    rgb: Rgb
    manifest: Manifest
    pretrain: Pretrain
    train: Train
    evaluate: Evaluate
    index: Index
    report: Report

    @field_validator("datasets", mode="before")
    @classmethod
    def _check_names(cls, datasets: Any) -> Any:
        for name in datasets if isinstance(datasets, dict) else ():
            check_corpus_name(name)
        return datasets

    def dataset(self, name: str) -> Dataset:
        """The corpus of that name. Raises ConfigError with the known names."""
        if name not in self.datasets:
            raise ConfigError(f"unknown dataset {name!r}; datasets in params.yaml has: {', '.join(self.datasets)}")
        return self.datasets[name]

    def rules(self, name: str) -> SampleRules:
        """How the keypoints of a corpus are read. Raises ConfigError."""
        return SampleRules(**self.manifest.model_dump(), wrist_margin=self.dataset(name).wrist_margin)

    def training(self, name: str) -> TrainProfile:
        """The profile that a corpus trains with; of one that has keypoints alone, for a model of pose."""
        profile = self.train.of(self.profile(name))
        if self.dataset(name).streams != "pose":
            return profile
        if profile.model.streams == "rgb":
            raise ConfigError(
                f"{name} has keypoints alone (streams: pose), but train.method {self.train.method} with "
                "train.<profile>.model.streams makes a model of RGB alone; choose another method, or set the latter "
                "to pose"
            )
        model = profile.model.model_copy(update={"streams": "pose"})
        return profile.model_copy(update={"model": model})

    def profile(self, name: str) -> ProfileName:
        """The profile that a corpus uses on this machine."""
        wanted = self.dataset(name).profile
        if wanted != "auto":
            return wanted
        return "published" if self.device() == "cuda" else "small"

    def device(self) -> str:
        """ "cpu" or "cuda"."""
        if self.machine.device != "auto":
            return self.machine.device
        import torch  # slow to import, and most readers of parameters never ask

        return "cuda" if torch.cuda.is_available() else "cpu"


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml. Raises ConfigError naming the file, the key and what was expected."""
    from ruamel.yaml import YAML  # PyYAML would read 1e-4 as a string

    try:
        raw = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} not found; run from the top of the repository") from None
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or '(top level)'}: {e['msg']}, got {brief(e['input'])}"
            for e in error.errors()
        ]
        raise ConfigError(f"{path} is not valid:\n" + "\n".join(lines)) from None
