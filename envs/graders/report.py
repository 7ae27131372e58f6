"""A report."""

from types import SimpleNamespace

from envs.episode import Question, Truth
from envs.graders.wording import words
from envs.grading import Given, Grade

SCORER = "report/1"
RIGHT = 0.5
"""ROUGE-L from which on a report counts as right. No paper states such a limit: compare reports by their scores."""

CHANGES = frozenset({
    "bigger", "change", "cleared", "constant", "decrease", "decreased", "decreasing", "elevated",
    "elevation", "enlarged", "enlargement", "enlarging", "expanded", "greater", "growing", "improved", "improvement",
    "improving", "increase", "increased", "increasing", "larger", "new", "persistence", "persistent", "persisting",
    "progression", "progressive", "reduced", "removal", "resolution", "resolved", "resolving", "smaller", "stability",
    "stable", "stably", "unaltered", "unchanged", "unfolded", "worse", "worsen", "worsened", "worsening",
})  # fmt: skip
"""Words that tell what became of a finding since a prior study: those of BioViL-T, arXiv:2301.04558, and of Libra."""


def report(question: Question, truth: Truth, given: Given) -> Grade:
    """Scored by ROUGE-L with the true report, or with the nearest of those that it accepts.

    Beside it: BLEU-1 to 4, METEOR without WordNet's synonyms, F1 of the words of change. Needs the extra `eval`.
    """
    if not words(given.text):
        return Grade(scorer=SCORER, problem="no words")
    metrics = max((_metrics(given.text, true) for true in (truth.answer, *truth.accepted)), key=lambda m: m["rouge_l"])
    score = metrics["rouge_l"]
    return Grade(scorer=SCORER, score=score, right=score >= RIGHT, parsed=True, strict=score, metrics=metrics)


def _metrics(said: str, true: str) -> dict[str, float]:
    try:
        overlaps = {"rouge_l": rouge_l(said, true), "meteor": meteor(said, true)} | bleu(said, true)
    except ImportError:
        raise ImportError("scores of reports need more packages: pip install 'overread[eval]'") from None
    return overlaps | {"temporal_f1": temporal_f1(said, true)}


def rouge_l(said: str, true: str) -> float:
    """F1 of the longest common subsequence of words. Lin 2004."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=words))
    return float(scorer.score(true, said)["rougeL"].fmeasure)


def bleu(said: str, true: str) -> dict[str, float]:
    """BLEU of one text with n-grams up to 1, 2, 3 and 4, in [0, 1], as sacrebleu computes and smooths it."""
    from sacrebleu.metrics.bleu import BLEU

    pair = " ".join(words(said)), [" ".join(words(true))]
    scorers = {n: BLEU(max_ngram_order=n, tokenize="none", effective_order=True) for n in range(1, 5)}
    return {f"bleu_{n}": min(1.0, scorer.sentence_score(*pair).score / 100) for n, scorer in scorers.items()}


def meteor(said: str, true: str) -> float:
    """METEOR's exact and stem stages (Banerjee and Lavie 2005); its synonyms would need WordNet, a download."""
    from nltk.translate.meteor_score import single_meteor_score

    no_synonyms = SimpleNamespace(synsets=lambda word: [])
    return float(single_meteor_score(words(true), words(said), wordnet=no_synonyms))


def temporal_f1(said: str, true: str) -> float:
    """F1 of the set of words of change; 1 where neither report has one. Libra, arXiv:2411.19378."""
    ours, theirs = CHANGES & set(words(said)), CHANGES & set(words(true))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else 1.0
