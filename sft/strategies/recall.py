"""What does the list say? It is read out, and one line of it answered."""

from sft.strategies import Case, Plan, answer, picked


def recall(case: Case) -> Plan:
    question = case.episode.question
    if question.choices:
        letter, thought = picked(question.choices, question.tags["named"])
        yield answer(thought, letter)
    else:
        _, *listed = question.text.splitlines()
        times = int(question.tags.get("times", 1))
        yield answer("\n".join(["\n".join(listed)] * times), case.truth.answer)
