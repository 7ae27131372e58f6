"""A report, compared with one that a radiologist wrote. Words are compared, not findings: a low bar, said as such."""

from typing import Any

from envs.episode import Question, Truth
from envs.graders.words import meant, plain
from envs.grading import Given, Grade

SCORER = "report/1"
RIGHT = 0.5
"""The ROUGE-L from which a report counts as right: ours, so that it can be counted at all; look at the metrics."""
CHANGES = frozenset(
    ("new", "newly", "worse", "worsened", "worsening", "increase", "increased", "increasing", "larger", "enlarged",
     "progressed", "progression", "improve", "improved", "improving", "improvement", "decrease", "decreased",
     "decreasing", "smaller", "resolved", "resolving", "resolution", "cleared", "unchanged", "stable", "persistent",
     "persists", "persisting", "similar", "constant", "again", "interval", "previous", "previously", "prior",
     "compared", "comparison")
)  # fmt: skip
"""Words that speak of a change or of an earlier study."""


def report(question: Question, truth: Truth, given: Given) -> Grade:
    """The score is ROUGE-L (F); beside it BLEU-1 to 4, METEOR, and the F1 of words that speak of change over time.

    METEOR matches words and stems; its third stage, synonyms of WordNet, needs a download and is left out. Raises
    ImportError where the packages are not installed.
    """
    if not plain(given.text):
        return Grade(scorer=SCORER)
    metrics = scores(given.text, truth.answer)
    score = metrics["rouge_l"]
    right = score >= RIGHT
    return Grade(scorer=SCORER, score=score, right=right, parsed=True, strict=score, metrics=metrics)


def scores(given: str, true: str) -> dict[str, float]:
    """Every score, in [0, 1]."""
    try:
        from nltk.translate.meteor_score import single_meteor_score
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import BLEU
    except ImportError:
        raise ImportError(
            "reports are scored by nltk, rouge-score and sacrebleu: pip install 'overread[eval]'"
        ) from None
    found = {f"bleu_{n}": BLEU(max_ngram_order=n, effective_order=True).sentence_score(given, [true]).score / 100
             for n in (1, 2, 3, 4)}  # fmt: skip
    found["rouge_l"] = RougeScorer(["rougeL"], use_stemmer=False).score(true, given)["rougeL"].fmeasure
    found["meteor"] = single_meteor_score(plain(true), plain(given), wordnet=_NoSynonyms())
    found["temporal_f1"] = temporal_f1(given, true)
    return {name: min(1.0, max(0.0, float(value))) for name, value in found.items()}


def temporal_f1(given: str, true: str) -> float:
    """F1 over the words of change in both, each once; 1 where neither has any. After Libra, arXiv:2411.19378."""
    a, b = CHANGES & set(meant(given)), CHANGES & set(meant(true))
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0


class _NoSynonyms:
    """A WordNet that knows no word."""

    def synsets(self, word: str) -> list[Any]:
        return []
