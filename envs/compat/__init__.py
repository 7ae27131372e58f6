"""Published scorers, reproduced with their traps: to compare with published numbers, not for claims of one's own.

    def vitar(predictions: Sequence[str], answers: Sequence[str]) -> dict[str, float]

Each works over whole lists of replies and true answers, and says in its docstring what it lets through.
"""
