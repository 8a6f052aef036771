"""What a section of params.yaml is, and those of the stages up to the manifest; seds.config holds the others.

A section whose values depend on how large a corpus and a machine are holds one block a *profile*.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ProfileName = Literal["small", "published"]
Precision = Literal["float32", "float16", "bfloat16"]


class ConfigError(ValueError):
    """A parameter that is unknown, missing or out of range; the message names it and says what was expected."""


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
    """Who runs the stages pose and rgb. Changes no result, so no stage depends on it."""

    engine: Literal["local", "ray"] = "local"
    address: str | None = None  # of a Ray cluster; null = the one RAY_ADDRESS names, else one is started here


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


class Network(Section):
    """How a network of an extraction is computed."""

    precision: Precision = "float32"  # on a GPU, of convolutions and matrix products
    compile: bool = False  # the network, of a pose estimator the backbone, by torch.compile

    def on(self, device: str) -> Self:
        """These on "cpu" or "cuda": half precision only makes a CPU slow, so there it is float32."""
        return self if device != "cpu" else self.model_copy(update={"precision": "float32"})


class PoseProfile(Network):
    estimator: Literal["mediapipe", "mmpose"]
    complexity: Literal[0, 1, 2] = 1  # mediapipe: size of its body network; 1 is in the wheel
    config: str | None = None  # mmpose: a whole-body config's name
    weights: str | None = None  # mmpose: a checkpoint's path; null = the library downloads the config's own
    weights_sha256: str | None = None


class Pose(Section):
    shard_videos: int = Field(ge=1)
    small: PoseProfile
    published: PoseProfile


class RgbProfile(Network):
    weights: str | None = None  # an I3D checkpoint's path; null = a fixed random initialisation
    weights_sha256: str | None = None
    seed: int = 0  # of the random initialisation
    size: int = Field(ge=32)  # px, frames are resized to a square
    crop: int = Field(ge=32)  # px, sampled grid over the middle 7/8 of the frame
    stride: int = Field(ge=1)  # raw frames between window starts
    width: float = Field(gt=0, le=1)  # of the network; 1 = Inception-I3D as published, 1024 features


class Rgb(Section):
    shard_videos: int = Field(ge=1)
    window: int = Field(ge=1)  # frames
    small: RgbProfile
    published: RgbProfile


class Windows(Section):
    """Retained frames, hand crops and pose windows (SPEC 3-5); published values."""

    window: int = Field(16, ge=1)  # frames a window
    max_windows: int = Field(64, ge=1)
    max_frames: int = Field(300, ge=1)  # longer videos are subsampled
    visible: float = Field(0.1, ge=0, le=1)  # a hand joint above this confidence counts for the crop
    visible_joints: int = Field(10, ge=1, le=21)  # fewer: the elbow fallback
    arm: float = Field(0.5, ge=0, le=1)  # confidence that the elbow fallback needs of shoulder, elbow and wrist
    gate: float = Field(0.4, ge=0, le=1)  # hand joints at or below this confidence are zeroed
