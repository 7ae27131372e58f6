"""A question is in scope if it is worded as those of training are."""

import pytest

from agent.scope import in_scope, wordings
from envs.tasks.phantoms import FAMILIES
from tools.lookup import find


@pytest.mark.parametrize("family", FAMILIES)
def test_every_question_of_a_family_is_in_its_own_scope_and_in_no_other(family):
    others = [other for other in FAMILIES if other != family]
    for question, _ in find("envs.tasks", family)("test", 20):
        assert in_scope(question, [family])
        assert not in_scope(question, others)


def test_capitals_spaces_and_the_last_sign_do_not_matter(question):
    asked = question.model_copy(update={"text": "  how long is the MASS along its longest axis,  in mm "})
    assert in_scope(asked, ["measure"])
    assert not in_scope(asked, ["shape"])


@pytest.mark.parametrize("text", ["", "Is there a nodule?", "What type of nodule is this? And is it malignant?"])
def test_other_words_are_out_of_scope(question, text):
    assert not in_scope(question.model_copy(update={"text": text}), FAMILIES)


def test_every_family_has_wordings():
    assert all(len(list(wordings(family))) >= 3 for family in FAMILIES)
