"""Put an answer before a grader, as a test states it."""

import math
from typing import Any

from envs.episode import Kind, Question, Truth
from envs.grading import Given, Grade
from tools.lookup import find
from tools.study import Study

CHOICES = ("pneumonia", "left lung", "left lung and pleura", "fracture")


def judged(kind: Kind, given: Given, truth: Truth, **question: Any) -> Grade:
    """What the grader says; every grade is held to what all of them promise."""
    asked = Question(id="q", text="?", study=Study(sources=()), kind=kind, **{"images": (), **question})
    grade = find("envs.graders", kind)(asked, truth, given)
    assert grade.scorer.startswith(f"{kind}/")
    assert 0 <= grade.strict <= grade.score <= 1
    assert all(math.isfinite(value) for value in grade.metrics.values())
    assert grade.parsed or (not grade.right and not grade.score and grade.problem)
    return grade


def graded(kind: Kind, text: str, answer: str, choices: tuple[str, ...] = CHOICES, **truth: Any) -> Grade:
    """An answer in words."""
    offered = choices if kind == "choice" else ()
    return judged(kind, Given(text=text), Truth(answer=answer, **truth), choices=offered)


def became(kind: Kind, text: str, answer: str, **more: Any) -> str:
    """What the grader makes of an answer in words, in a word."""
    grade = graded(kind, text, answer, **more)
    if not grade.parsed:
        return "unread"
    return ("strict" if grade.strict == 1.0 else "right") if grade.right else "wrong"
