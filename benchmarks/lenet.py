"""What is timed beside its like: LeNet-5 of article 000, and how many steps of it."""

from cnnlab.architecture.presets import PRESETS

LENET = PRESETS["article-000-lenet5"].architecture
BATCH = 64
STEPS = 150
"""Timed steps of one repeat; fewer than the loop's distance between validations."""
WARM = 10
