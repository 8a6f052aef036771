"""The model card says what a reader must know, and no more than a page of it."""

from seds import card
from seds.config import ModelSizes
from seds.metrics import METRICS as NAMES
from seds.retrieval import DIRECTIONS

METRICS = {s: {d: dict.fromkeys(NAMES, 50.0) for d in DIRECTIONS} for s in ("fusion", "pose", "rgb")}
HEADER = {"schema": "s", "kind": "rgb", "fingerprint": "f", "videos": '{"a": {}}', "weights": "random, seed 0"}


def provenance(weights: str) -> dict:
    return {
        "dataset": "toy",
        "profile": "small",
        "sentences": {"train": 8, "dev": 4},
        "epoch": 3,
        "epochs": 5,
        "lr": 1e-3,
        "batch": 2,
        "seed": 0,
        "clip": None,
        "pose": {"estimator": "mediapipe-holistic"},
        "rgb": {"weights": weights},
        "dev": METRICS,
        "learnt": METRICS,
    }


def test_an_extraction_is_described_without_its_single_videos() -> None:
    assert card.extraction(HEADER) == {"weights": "random, seed 0"}


def test_random_features_are_stated_plainly_and_trained_ones_are_not_called_random() -> None:
    text = card.model_card(provenance("random, seed 0"), ModelSizes(), 1234, "default")
    assert "fixed random initialisation" in text
    assert "1,234 parameters" in text
    assert "epoch 3 of 5" in text
    assert "mediapipe-holistic" in text
    assert "random initialisation**" not in card.model_card(
        provenance("bsl5k.pth.tar sha256 0"), ModelSizes(), 1234, "default"
    )


def test_the_table_has_a_row_a_stream_and_direction() -> None:
    rows = card.metrics_table(METRICS)
    assert len(rows) == 2 + len(METRICS) * len(DIRECTIONS)
    assert rows[2] == "| fusion | T2V | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 | 50.000 |"
    assert len(card.metrics_table({"pose": METRICS["pose"]})) == 2 + len(DIRECTIONS)


def test_the_card_names_the_parts_there_are() -> None:
    said = {
        "Cross Gloss Attention Fusion": ModelSizes(),
        "perceptron": ModelSizes(fusion="mlp"),
        "pose alone": ModelSizes(streams="pose"),
        "RGB alone": ModelSizes(streams="rgb"),
    }
    for phrase, sizes in said.items():
        text = card.model_card(provenance("trained"), sizes, 1234, "default")
        assert [other for other in said if other in text] == [phrase]
