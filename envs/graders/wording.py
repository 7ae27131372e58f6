"""What an answer says, apart from how it is written: marks of formatting, announcements, words for numbers."""

import re
import unicodedata

ANNOUNCED = re.compile(
    r"(?:(?:so|thus|therefore|hence),? )?(?:the |my )?(?:(?:final|correct|best|right|most likely) )?"
    r"(?:answer|option|choice)\b(?: is| would be)?\s*[:=]?\s*(?=\S)"
    r"|(?:正确)?(?:答案|选项)\s*[是为]?\s*:?\s*(?=\S)|(?:我|应)?选择?\s*:?\s*(?=\(?[A-Z]\b)",
    re.IGNORECASE,
)
"""What stands before an answer and says only that one follows."""

UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_TENS = {word: 10 * n for n, word in enumerate(TENS, 2)}
_WORDS = {word: n for n, word in enumerate(UNITS)} | _TENS
_WORD = re.compile(rf"\b(?:({'|'.join(TENS)})[- ]({'|'.join(UNITS[1:10])})|({'|'.join(_WORDS)}))\b", re.IGNORECASE)

_HAN = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_NUMBER = re.compile(
    r"(?<![零〇一二两三四五六七八九十百千万第])(?:([一二三四五六七八九]?)十([一二三四五六七八九]?)|([零〇一二两三四五六七八九]))"
    r"(?=\s*(?:[个處处枚颗只根条块张片例层帧毫厘]|$|[。,,.;]))"
)
"""A number under 100 in front of what Chinese counts with, or at the end."""


_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"\d+(?:[.,]\d+)*|[{_CJK}]|[^\W_\d{_CJK}]+\d*|%|°|[+<>=±-](?=\s*\d)")


def plain(text: str) -> str:
    """The text in one form of its characters, without formatting, on one line.

    Full-width letters, digits and signs become the usual ones (Unicode NFKC); bold, code and \\boxed{} are taken off.
    """
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\*+|`+|\$|(?<!\w)_+|_+(?!\w)", "", text)
    return re.sub(r"\s+", " ", text).strip()


def bare(text: str) -> str:
    """The same, without the words that announce an answer, and without a full stop."""
    text = plain(text)
    while (found := ANNOUNCED.match(text)) is not None:
        text = text[found.end() :]
    return text.rstrip(".。!; ") or text


def numerals(text: str) -> str:
    """English and Chinese words for numbers under 100, in digits."""

    def english(found: re.Match[str]) -> str:
        tens, ones, one = (part and part.lower() for part in found.groups())
        return str(_TENS[tens] + _WORDS[ones] if tens else _WORDS[one])

    def han(found: re.Match[str]) -> str:
        tens, ones, one = found.groups()
        return str(_HAN[one]) if one else str(10 * _HAN.get(tens, 1) + _HAN.get(ones, 0))

    return _HAN_NUMBER.sub(han, _WORD.sub(english, text))


def words(text: str) -> list[str]:
    """The words of a text, lower case, without punctuation; of Chinese, Japanese and Korean each character is one."""
    return _TOKEN.findall(plain(text).casefold())
