"""Smaller: pruning, int8 and distillation, and what each of them costs and gains, measured.

``pruning.prune`` zeroes weights or takes channels out, ``int8.quantise`` keeps numbers as bytes, ``distil.distil`` lets a small
network learn from a large one; ``compare.compare`` measures the result against what it was made from.
"""
