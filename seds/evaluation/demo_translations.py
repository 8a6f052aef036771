"""The demo corpus's sentences in German and Chinese, to ask a model in a language that it was not trained in."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from seds.demo.language import SIGNS, Form, Role, Sentence

Language = Literal["de", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Noun(NamedTuple):
    """A German noun: its gender, and what it is; and in Chinese with its measure word."""

    gender: Literal["m", "f", "n"]
    german: str
    measure: str
    chinese: str


# fmt: off
_NOUNS = {
    "BOOK": Noun("n", "Buch", "本", "书"), "HOUSE": Noun("n", "Haus", "座", "房子"),
    "CAR": Noun("n", "Auto", "辆", "汽车"),
    "DOG": Noun("m", "Hund", "只", "狗"), "CAT": Noun("f", "Katze", "只", "猫"), "BALL": Noun("m", "Ball", "个", "球"),
    "TREE": Noun("m", "Baum", "棵", "树"),
}
_WORDS = {  # German, Chinese
    "MORNING": ("am Morgen", "早上"), "NIGHT": ("in der Nacht", "夜里"), "TODAY": ("heute", "今天"),
    "SUMMER": ("im Sommer", "夏天"), "WINTER": ("im Winter", "冬天"), "SUNDAY": ("am Sonntag", "星期天"),
    "MOTHER": ("meine Mutter", "我妈妈"), "FATHER": ("mein Vater", "我爸爸"), "BROTHER": ("mein Bruder", "我哥哥"),
    "SISTER": ("meine Schwester", "我姐姐"), "TEACHER": ("der Lehrer", "老师"), "DOCTOR": ("der Arzt", "医生"),
    "CHILD": ("das Kind", "孩子"),
    "BUY": ("kauft", "买"), "SELL": ("verkauft", "卖"), "SEE": ("sieht", "看见"), "WANT": ("will", "想要"),
    "FIND": ("findet", "找到"), "LOSE": ("verliert", "丢失"), "DRAW": ("zeichnet", "画"),
    "SLEEP": ("schläft", "睡觉"), "DANCE": ("tanzt", "跳舞"),
    "BIG": ("groß", "大"), "RED": ("rot", "红"), "OLD": ("alt", "旧"), "NEW": ("neu", "新"),
    "DIRTY": ("schmutzig", "脏"),
}
# fmt: on
_THE = {"m": "der", "f": "die", "n": "das"}
_AN = {"m": "einen", "f": "eine", "n": "ein"}  # accusative
_ENDING = {"m": "en", "f": "e", "n": "es"}  # of an adjective after it


def translate(sentence: Sentence, language: Language) -> str:
    """A sentence of the demo's grammar. BOOK TEACHER BUY: "Der Lehrer kauft ein Buch.", "老师买一本书。" """
    gloss = {SIGNS[gloss].role: gloss for gloss in sentence.glosses}
    return _german(gloss, sentence.form) if language == "de" else _chinese(gloss, sentence.form)


def _german(gloss: dict[Role, str], form: Form) -> str:
    word = {role: _WORDS[name][0] for role, name in gloss.items() if role != "thing"}
    noun = _NOUNS[gloss["thing"]] if "thing" in gloss else None
    no, rest = form == "negation", [word["time"]] if "time" in word else []
    if noun is None:
        subject, verb = word["person"], word["act"]
        rest += ["nicht"] if no else []
    elif "do" in word:
        subject, verb = word["person"], word["do"]
        quality = [word["quality"] + _ENDING[noun.gender]] if "quality" in word else []
        rest += [("k" if no else "") + _AN[noun.gender], *quality, noun.german]
    else:
        subject, verb = f"{_THE[noun.gender]} {noun.german}", "ist"
        rest += [*(["nicht"] if no else []), word["quality"]]
    clause = " ".join([verb, subject, *rest] if form == "question" else [subject, verb, *rest])
    return clause[0].upper() + clause[1:] + ("?" if form == "question" else ".")


def _chinese(gloss: dict[Role, str], form: Form) -> str:
    word = {role: _WORDS[name][1] for role, name in gloss.items() if role != "thing"}
    noun = _NOUNS[gloss["thing"]] if "thing" in gloss else None
    time, no, asks = word.get("time", ""), form == "negation", form == "question"
    if noun is None:
        clause = f"{word['person']}{time}{'不' if no else ''}{word['act']}"
    elif "do" in word:
        quality = f"{word['quality']}的" if "quality" in word else ""
        thing = f"{'' if no or asks else f'一{noun.measure}'}{quality}{noun.chinese}"
        clause = f"{word['person']}{time}{'不' if no else ''}{word['do']}{thing}"
    else:
        clause = f"{noun.chinese}{time}{'不' if no else '' if asks else '很'}{word['quality']}"
    return f"{clause}吗？" if asks else f"{clause}。"
