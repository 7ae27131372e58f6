"""PMC-VQA's accuracy: the option that looks most like the reply is taken for the answer.

Reproduces the published formula (github.com/xiaoman-zhang/PMC-VQA) with its traps; not for claims.
"""
