"""Keras computes with torch here, and writes its settings nowhere but into the session's home."""

import os

os.environ["KERAS_BACKEND"] = "torch"
os.environ["KERAS_HOME"] = os.environ["CNNLAB_HOME"]
