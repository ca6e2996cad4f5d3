"""Keras is the judge of what is read from its source; it computes with torch here."""

import os

os.environ["KERAS_BACKEND"] = "torch"
