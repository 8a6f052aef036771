"""The pose estimators. Each finds the 133 COCO-WholeBody joints of one signer in every frame of a video."""

from __future__ import annotations

from functools import partial

from seds.config import MediapipeProfile, Params, PoseProfile
from seds.extraction.extractor import ExtractorSpec


def corpus_extractor(params: Params, dataset: str) -> ExtractorSpec:
    """How the keypoints of a corpus are extracted on this machine. Raises as `extractor_spec` does."""
    profile = params.pose.of(params.profile(dataset))
    return extractor_spec(profile, "cpu" if isinstance(profile, MediapipeProfile) else params.device())


def extractor_spec(profile: PoseProfile, device: str) -> ExtractorSpec:
    """The estimator of a profile of params.yaml's section `pose`, on "cpu" or "cuda"; MediaPipe runs on the CPU only.

    The weights of mmpose are looked up, hashed and, if the profile names none, downloaded here, once. Raises
    ConfigError, WeightFileError.
    """
    profile = profile.on(device)
    if isinstance(profile, MediapipeProfile):
        from seds.pose import mediapipe_holistic

        settings = mediapipe_holistic.settings(profile)
        return ExtractorSpec("pose", settings, partial(mediapipe_holistic.make_extractor, profile), device)
    from seds.pose import mmpose_weights, mmpose_wholebody

    checkpoint = mmpose_weights.find_weights(profile)
    settings = mmpose_wholebody.settings(profile, checkpoint)
    return ExtractorSpec("pose", settings, partial(mmpose_wholebody.make_extractor, profile, checkpoint), device)
