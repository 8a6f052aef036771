"""The Public DGS Corpus: two people, a camera each, in two languages."""

from pathlib import Path

import pytest
from helpers.elan import write as write_elan
from helpers.films import film

from seds.add.recognise import recognise
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.readers import dgs_corpus

DOCUMENT = "1413451-11171110-11430645"
TIERS = {
    "Deutsche_Übersetzung_A": [(0, 1000, "Es regnet.")],
    "Translation_into_English_A": [(0, 1000, "It rains."), (1500, 1900, "Yes.")],
    "Translation_into_English_B": [(1000, 2000, "No.")],
    "Deutsche_Übersetzung_B": [(1000, 2000, "Nein.")],
    "Lexem_Gebärde_r_A": [(0, 400, "REGEN1^"), (3000, 3100, "$GEST")],
    "Lexem_Gebärde_l_B": [(1200, 1500, "NEIN1A")],
    "Mundbild_Mundgestik_A": [(0, 400, "regen")],
}


@pytest.mark.parametrize("named", [True, False])
def test_sentences_belong_to_a_participant_and_a_camera(tmp_path: Path, named: bool) -> None:
    for i, camera in enumerate(("1a1", "1b1", "1c1")):
        film(tmp_path / f"{DOCUMENT}_{camera}.mp4", frames=20, shade=i)
    media = {f"./{DOCUMENT}_{camera}.mp4": f"file:///x/{DOCUMENT}_{camera}.mp4" for camera in ("1a1", "1b1", "1c1")}
    write_elan(tmp_path / f"{DOCUMENT}.eaf", TIERS, media if named else {})  # type: ignore[arg-type]
    found = recognise(tmp_path)
    assert found.kind == "dgs_corpus"
    dataset = Dataset.model_validate(found.entry)
    videos, signs, skipped = prepare.prepare_with_signs("x", dataset, tmp_path)
    assert (videos["status"] == "ok").all()
    assert [[Path(row.path).stem[-3:], row.text, row.text_original, row.language] for row in videos.itertuples()] == [
        ["1a1", "It rains.", "Es regnet.", "en"],
        ["1a1", "Yes.", "Yes.", "en"],
        ["1b1", "No.", "Nein.", "en"],
    ]
    assert videos["signer"].tolist() == [f"{DOCUMENT} A", f"{DOCUMENT} A", f"{DOCUMENT} B"]
    assert signs[["label", "start_s", "end_s"]].to_numpy().tolist() == [["REGEN1^", 0, 0.4], ["NEIN1A", 0.2, 0.5]]
    assert [reason for reason, _, _ in skipped] == ["in no sentence"]


def test_german_is_read_where_the_entry_names_it(tmp_path: Path) -> None:
    write_elan(tmp_path / "a.eaf", TIERS, {})  # type: ignore[arg-type]
    german = Dataset(corpus="dgs_corpus", sentence_tiers="Deutsche_Übersetzung_*", language="de")
    table = dgs_corpus.read_annotations(tmp_path, german)
    assert table[["text", "language"]].to_numpy().tolist() == [["Es regnet.", "de"], ["Nein.", "de"]]
