"""The model card says what a reader must know, and no more than a page of it."""

from typing import Any

import pytest

from seds.config import ModelSizes
from seds.retrieval.metrics import DIRECTIONS, metrics_table
from seds.retrieval.metrics import METRICS as NAMES
from seds.shards import extraction
from seds.training import card

METRICS = {s: {d: dict.fromkeys(NAMES, 50.0) for d in DIRECTIONS} for s in ("fusion", "pose", "rgb")}
HEADER = {"schema": "s", "kind": "rgb", "fingerprint": "f", "videos": '{"a": {}}', "weights": "random, seed 0"}


def provenance(weights: str = "trained", **changes: Any) -> dict[str, Any]:
    return {
        "dataset": "toy",
        "corpus": "how2sign",
        "profile": "small",
        "videos": {"train": 2000, "dev": 40},
        "sentences": {"train": 1800, "dev": 40},
        "texts": {"train": 1790, "dev": 40},
        "epoch": 3,
        "epochs": 5,
        "lr": 1e-3,
        "batch": 2,
        "seed": 0,
        "seeds": [0],
        "clip": None,
        "train": {
            "losses": {"match_weight": 0.4, "duplicates": "ignore"},
            "swap": 0.5,
            "warmup": 0.1,
            "weight_decay": 0.001,
            "clip_norm": 1.0,
        },
        "pose": {"estimator": "mediapipe-holistic"},
        "rgb": {"weights": weights},
        "dev": METRICS,
        "dev_without_leaks": {"texts": 40, "in_train": 0, "equal_as_one": METRICS, "not_in_train": METRICS},
        "dev_recalls": [10.0, 41.0, 50.0, 43.0, 49.0],
        "pose_weight": None,
        "train_metrics": METRICS,
        "warnings": [],
        **changes,
    }


def written(sizes: ModelSizes | None = None, **changes: Any) -> str:
    return card.model_card(provenance(**changes), sizes or ModelSizes(), 1234, "default", "3.1 hours on 8 x GPU")


def test_extraction_is_described_without_its_single_videos() -> None:
    assert extraction(HEADER) == {"weights": "random, seed 0"}


def test_card_says_whether_rgb_features_are_random() -> None:
    text = written(weights="random, seed 0")
    assert "fixed random initialisation" in text
    assert "1,234 parameters" in text
    assert "epoch 3 of 5" in text
    assert "mediapipe-holistic" in text
    assert "random initialisation**" not in written(weights="bsl5k.pth.tar sha256 0")
    assert "random initialisation**" not in written(ModelSizes(streams="pose"), weights="random, seed 0")


def test_card_says_what_was_trained_on_how_and_for_how_long() -> None:
    text = written()
    assert "train: 2,000 videos of 1,800 sentences, 10 of which repeat another's text" in text
    assert "dev: 40 videos of 40 sentences\n" in text
    assert "match_weight 0.4, duplicates ignore; word swaps 0.5" in text
    assert "trained in 3.1 hours on 8 x GPU" in text


def test_card_says_how_many_epochs_are_as_good() -> None:
    # sqrt(0.5 x 0.5 / 40) is 7.9 points: epochs of 43 and 49 lie within it of the best, 50; one of 41 does not.
    assert "standard error of 7.9 points here; 2 other epochs of 5 lie within it" in written()


def test_card_lists_warnings_if_there_are_any() -> None:
    assert "## Warnings during training\n\n- the sky fell (2 times)\n" in written(warnings=["the sky fell (2 times)"])
    assert "Warnings" not in written()


def test_card_of_several_seeds_has_mean_and_deviation() -> None:
    spread = {"mean": METRICS, "std": {s: {d: dict.fromkeys(NAMES, 1.25) for d in DIRECTIONS} for s in METRICS}}
    text = written(seeds=[4, 5, 6], dev_over_seeds=spread)
    assert "over 3 seeds (4, 5, 6)" in text
    assert "| fusion | T2V | 50.0 ± 1.2 |" in text
    assert "seeds (" not in written()


@pytest.mark.parametrize(("corpus", "licence"), [*card.LICENCES.items(), ("folder", card.UNKNOWN_LICENCE)])
def test_card_names_the_licence_of_the_corpus(corpus: str, licence: str) -> None:
    assert licence in written(corpus=corpus)


def test_metrics_table_has_a_row_per_stream_and_direction() -> None:
    rows = metrics_table(METRICS)
    assert len(rows) == 2 + len(METRICS) * len(DIRECTIONS)
    assert rows[2] == "| fusion | T2V | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 | 50.000 |"
    assert len(metrics_table({"pose": METRICS["pose"]})) == 2 + len(DIRECTIONS)


def test_card_names_the_parts_of_the_model() -> None:
    said = {
        "Cross Gloss Attention Fusion": ModelSizes(),
        "perceptron": ModelSizes(fusion="mlp"),
        "pose alone": ModelSizes(streams="pose"),
        "RGB alone": ModelSizes(streams="rgb"),
    }
    for phrase, sizes in said.items():
        text = written(sizes)
        assert [other for other in said if other in text] == [phrase]


def test_card_says_what_reads_the_text() -> None:
    assert "- text: `clip`, a tower like CLIP's; at most 32 tokens" in written()
    assert "- text: `use`, frozen vectors of Universal Sentence Encoder" in written(ModelSizes(text="use"))


def test_card_has_the_metrics_without_leaks() -> None:
    assert "No two of these sentences have the same text, and training has none of them." in written()
    leaks = {"texts": 38, "in_train": 3, "equal_as_one": METRICS, "not_in_train": METRICS}
    text = written(dev_without_leaks=leaks)
    assert "### Equal texts as one sentence (38 texts for 40 sentences)" in text
    assert "### Without the 3 texts that training has, too" in text
    assert text.count("| fusion | T2V | 50.0") == 4, "dev, both of these, and training sentences"
    assert "Training has all of these texts." in written(dev_without_leaks=leaks | {"in_train": 38, "not_in_train": {}})


def test_card_says_how_training_videos_were_changed() -> None:
    assert "changed at random" not in written()
    assert "changed at random" not in written(augment={"rotation": 0.0, "phrases": 0.0})
    assert "changed at random, at most by: rotation 10, phrases 0.7" in written(
        augment={"rotation": 10.0, "scale": 0.0, "phrases": 0.7}
    )
