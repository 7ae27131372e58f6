"""Texts made comparable: what differs between two ways of writing the same is taken away, what tells is kept."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

ARTICLES = frozenset(("a", "an", "the"))
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS = {word: str(n) for digits in (DIGITS, "零一二三四五六七八九十") for n, word in enumerate(digits)} | {"两": "2"}
SYNONYMS = {
    # Each pair is listed as a synonym in RadLex 4.1 (radlex.org) or in MeSH 2024 (Diagnostic Imaging).
    "x ray": "radiograph", "xray": "radiograph", "x rays": "radiograph", "radiography": "radiograph",
    "plain film": "radiograph", "cxr": "chest radiograph",
    "computed tomography": "ct", "cat scan": "ct", "ct scan": "ct",
    "magnetic resonance imaging": "mri", "magnetic resonance": "mri", "mr": "mri", "mr imaging": "mri",
    "ultrasonography": "ultrasound", "sonography": "ultrasound", "sonogram": "ultrasound", "us": "ultrasound",
    "positron emission tomography": "pet", "tumour": "tumor", "tumours": "tumor", "tumors": "tumor",
    "neoplasm": "tumor", "oedema": "edema", "haemorrhage": "hemorrhage", "haematoma": "hematoma",
    "bleed": "hemorrhage", "bleeding": "hemorrhage", "oesophagus": "esophagus", "anaemia": "anemia",
    "kidneys": "kidney", "lungs": "lung", "renal": "kidney", "hepatic": "liver", "pulmonary": "lung",
    "cardiac": "heart", "cerebral": "brain", "gastric": "stomach", "splenic": "spleen",
    "enlarged heart": "cardiomegaly", "pleural fluid": "pleural effusion", "both sides": "bilateral",
    "collapsed lung": "pneumothorax", "swelling": "edema", "without": "no", "absent": "no", "not": "no",
    "左侧": "左", "右侧": "右", "双侧": "两侧", "肿瘤": "肿物",
    "电子计算机断层扫描": "ct", "磁共振": "mri", "核磁共振": "mri",
}  # fmt: skip
_PIECE = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)?|%|°")
_CJK = re.compile(r"([\u3400-\u9fff])")


def folded(text: str) -> str:
    """One way of writing every character (NFKC), in small letters, and of spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def plain(text: str) -> tuple[str, ...]:
    """The words and numbers of a text, without punctuation and, where it says more, articles.

    A Chinese character is a word.
    """
    pieces = tuple(_PIECE.findall(_CJK.sub(r" \1 ", folded(text))))
    return tuple(piece for piece in pieces if piece not in ARTICLES) or pieces


def meant(text: str) -> tuple[str, ...]:
    """The same, with number words as digits and every synonym as the one word that stands for it."""
    said = f" {' '.join(plain(text))} "
    for phrase in sorted(SYNONYMS, key=len, reverse=True):
        spaced = " ".join(plain(phrase))
        said = said.replace(f" {spaced} ", f" {' '.join(plain(SYNONYMS[phrase]))} ")
    return tuple(NUMBERS.get(word, word) for word in said.split())


def token_scores(given: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """F1 and recall over words, each counted as often as it comes. SQuAD, arXiv:1606.05250, section 6.1."""
    common = sum((Counter(given) & Counter(true)).values())
    recall = common / len(true) if true else float(not given)
    precision = common / len(given) if given else float(not true)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"token_f1": f1, "token_recall": recall}
