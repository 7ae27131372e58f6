"""Phrases that say the same, brought to one form."""

import re

from envs.graders.wording import bare, numerals, words

SAME: dict[str, tuple[str, ...]] = {
    # DICOM PS3.3 C.7.3.1.1.1, defined terms of Modality (0008,0060), and what they are commonly called
    "x ray": ("xray", "x rays", "xrays", "radiograph", "radiography", "plain film", "plain radiograph", "x光", "x线"),
    "ct": ("computed tomography", "computerized tomography", "ct scan", "cat scan", "计算机断层扫描"),
    "mri": ("mr", "magnetic resonance imaging", "magnetic resonance", "mr imaging", "mri scan", "磁共振", "核磁共振"),
    "ultrasound": ("us", "ultrasonography", "sonography", "ultrasound scan", "超声"),
    "pet": ("positron emission tomography", "pet scan"),
    "mammogram": ("mammography",),
    # organs and their adjectives, as RadLex (radlex.org) lists them
    "kidney": ("kidneys", "renal"), "lung": ("lungs", "pulmonary"), "liver": ("hepatic",), "heart": ("cardiac",),
    "brain": ("cerebral",), "stomach": ("gastric",), "spleen": ("splenic",),
    # planes, DICOM PS3.3 C.7.6.1.1.2 and common usage
    "axial": ("transverse", "axial plane", "transverse plane", "横断面", "轴位"),
    "coronal": ("coronal plane", "冠状面"),
    "sagittal": ("sagittal plane", "矢状面"),
    # sides: one side is written in several ways, and is never the other
    "left": ("left sided", "left side", "lt", "左", "左侧", "左边"),
    "right": ("right sided", "right side", "rt", "右", "右侧", "右边"),
    "both": ("bilateral", "bilaterally", "双侧", "两侧"),
    # negation
    "no": ("no evidence of", "no sign of", "no signs of", "without", "without evidence of", "absence of"),
    # British and American spelling
    "edema": ("oedema",), "tumor": ("tumour",), "hemorrhage": ("haemorrhage",), "esophagus": ("oesophagus",),
    "hematoma": ("haematoma",), "ischemia": ("ischaemia",), "gray": ("grey",), "color": ("colour",),
}  # fmt: skip
"""Phrases of the same meaning, by the one that stands for them; in words as `words` tells them apart."""

_FORMS = {tuple(words(form)): tuple(words(kept)) for kept, forms in SAME.items() for form in forms}
_LONGEST = max(map(len, _FORMS))
_LEAD = re.compile(r"(?:(?:it|this|that|these|they|there) (?:is|are)|in|on|at)\s+(?=\S)")
_INVERTED = re.compile(r"([^,]+), (left|right)")
"""As indexes write it: "lung, left"."""
_LIST = re.compile(r"[,;、/\n]|\band\b|&|\+(?!\s*\d)|和|以及")


def content(text: str) -> tuple[tuple[str, ...], ...]:
    """What a text lists, in no order: each phrase in words, without articles, each synonym in its one form."""
    said = numerals(bare(text)).casefold()
    while (lead := _LEAD.match(said)) is not None:
        said = said[lead.end() :]
    if inverted := _INVERTED.fullmatch(said):
        said = f"{inverted[2]} {inverted[1]}"
    return tuple(sorted(phrase for part in _LIST.split(_kept(said)) if (phrase := _one_form(words(part)))))


def _kept(text: str) -> str:
    """The text with commas inside of numbers taken out, so that they part nothing."""
    return re.sub(r"(?<=\d),(?=\d)", ".", text)


def _one_form(said: list[str]) -> tuple[str, ...]:
    said = [word for word in said if word not in ("a", "an", "the", "的")]
    phrase: list[str] = []
    at = 0
    while at < len(said):
        sizes = range(min(_LONGEST, len(said) - at), 0, -1)
        size = next((n for n in sizes if tuple(said[at : at + n]) in _FORMS), 0)
        phrase += _FORMS[tuple(said[at : at + size])] if size else said[at : at + 1]
        at += size or 1
    return tuple(phrase)
