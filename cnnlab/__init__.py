"""CNN Lab: assemble a convolutional network, train it live, and look inside it.

The package works without a browser (``python -m cnnlab``); the pages in ``pages/`` are thin views of it.
"""

__version__ = "0.1.0"
