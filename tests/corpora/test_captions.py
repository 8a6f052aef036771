"""Caption pickles of the release's three corpora."""

import pandas as pd
import pytest
from helpers.made_release import complete, pickled

from seds.corpora.captions import HELD_OUT, RELEASES, CaptionError, read_captions

CAPTION = {"video_name": "a", "ori_text": "b", "text": "c", "num_frames": 1}


@pytest.mark.parametrize(
    ("train", "named"),
    [
        ([CAPTION], "expected a dict by sentence, got list"),
        ({"a": "text"}, "expected dicts by sentence id"),
        ({7: CAPTION}, "expected dicts by sentence id"),
        ({"a": {"video_name": "a"}}, "'a': expected text under 'text', got None"),
        ({"a": {**CAPTION, "video_name": "../a"}}, r"'\.\./a' is not a file name"),
        ({"a": {**CAPTION, "text": "\ud83d"}}, r"the text under 'text' is not valid Unicode: '\\ud83d'"),
        ({"a": CAPTION, "b": CAPTION}, r"video 'a' is already in .*train\.pkl"),
    ],
)
def test_malformed_captions_stop_the_import(tmp_path, train, named):
    pickled(tmp_path / "train.pkl", train)
    with pytest.raises(CaptionError, match=rf"train\.pkl.*{named}"):
        read_captions(tmp_path, RELEASES["phoenix14t"])


def test_a_video_of_train_and_test_stops_the_import(tmp_path):
    for subset in ("train", "test"):
        pickled(tmp_path / f"{subset}.pkl", {"a": CAPTION})
    with pytest.raises(CaptionError, match=r"test\.pkl: video 'a' is already in .*train\.pkl"):
        read_captions(tmp_path, RELEASES["phoenix14t"])


def test_every_twentieth_sentence_is_dev_without_a_dev_file(tmp_path):
    complete(tmp_path, "csl_daily").write_captions()
    captions = read_captions(tmp_path / "captions", RELEASES["csl_daily"])
    dev = {c.sentence_id for c in captions if c.split == "dev"}
    assert dev == {f"train{HELD_OUT - 1}", f"train{2 * HELD_OUT - 1}"}
    assert {c.split for c in captions if c.sentence_id not in dev} == {"train", "test"}
    assert {c.subset for c in captions if c.split == "dev"} == {"train"}
    assert sum(c.split == "dev" for c in captions) == 4  # both videos of both
    assert {c.signer for c in captions} == {"0000", "0001"}


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "corpus", "counts"),
    [
        ("data_csl", "csl_daily", {"train": (6269, 17483), "dev": (329, 918), "test": (798, 1176)}),
        ("data_h2", "how2sign", {"test": (1964, 2342)}),
    ],
)
def test_the_real_captions_of_the_other_corpora(shared, folder, corpus, counts):
    captions = pd.DataFrame(read_captions(shared / "data/seds_release" / folder, RELEASES[corpus]))
    found = {s: (c["sentence_id"].nunique(), len(c)) for s, c in captions.groupby("split")}
    assert found == counts
    assert (captions["text_original"] == captions["text"]).all() == (corpus == "how2sign")
