"""What does the list say? It is read out, and one line of it answered."""

from sft.strategies import Case, Plan, answer, picked


def recall(case: Case) -> Plan:
    question, said = case.episode.question, case.truth.answer
    _, *lines = question.text.splitlines()
    match question.tags["what"]:
        case "choice":
            letter, thought = picked(question.choices, question.tags["named"])
            yield answer(thought, letter)
        case "tally":
            yield answer(f"{lines[0]}. That makes {said}.", said)
        case "which":
            yield answer(f"{lines[0]}. {'They are' if ' and ' in said else 'It is'} {said}.", said)
        case _:
            yield answer("\n".join(lines * int(question.tags.get("times", 1))), said)
