"""M3D's overlap of two boxes in a volume.

Reproduces the published formula (github.com/BAAI-DCAI/M3D, Bench/eval/eval_pos.py) with its traps; not for claims.
"""
