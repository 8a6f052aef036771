"""The demo's sentences in German and Chinese: grammar by example, and nothing lost."""

from itertools import product

import pytest

from seds.demo.language import LEXICON, Form, Sentence, sentences
from seds.evaluation import demo_captions
from seds.evaluation.demo_translations import LANGUAGES, translate


@pytest.mark.parametrize(
    ("glosses", "form", "german", "chinese"),
    [
        (("BOOK", "TEACHER", "BUY"), "statement", "Der Lehrer kauft ein Buch.", "老师买一本书。"),
        (("SUMMER", "DOG", "BROTHER", "FIND"), "question",
         "Findet mein Bruder im Sommer einen Hund?", "我哥哥夏天找到狗吗？"),
        (("CAT", "RED", "MOTHER", "SEE"), "negation", "Meine Mutter sieht keine rote Katze.", "我妈妈不看见红的猫。"),
        (("TREE", "OLD"), "statement", "Der Baum ist alt.", "树很旧。"),
        (("WINTER", "HOUSE", "BIG"), "negation", "Das Haus ist im Winter nicht groß.", "房子冬天不大。"),
        (("NIGHT", "CHILD", "SLEEP"), "negation", "Das Kind schläft in der Nacht nicht.", "孩子夜里不睡觉。"),
        (("SISTER", "DANCE"), "question", "Tanzt meine Schwester?", "我姐姐跳舞吗？"),
    ],
)  # fmt: skip
def test_sentences_follow_the_grammar_of_the_language(
    glosses: tuple[str, ...], form: Form, german: str, chinese: str
) -> None:
    sentence = Sentence(glosses, form)
    assert (translate(sentence, "de"), translate(sentence, "zh")) == (german, chinese)


def test_every_sentence_has_a_translation_of_its_own() -> None:
    every = [Sentence(one.glosses, form) for (one, _), form in product(sentences(), demo_captions.FORMS)]
    for language in LANGUAGES:
        assert len({translate(sentence, language) for sentence in every}) == len(every)
    assert {gloss for sentence in every for gloss in sentence.glosses} == {sign.gloss for sign in LEXICON}


def test_texts_are_translated_all_or_none() -> None:
    assert demo_captions.translations(["The dog is big.", "Is the dog big?"]) == {
        "de": ["Der Hund ist groß.", "Ist der Hund groß?"],
        "zh": ["狗很大。", "狗大吗？"],
    }
    assert demo_captions.translations(["The dog is big.", "a cat"]) == {}
