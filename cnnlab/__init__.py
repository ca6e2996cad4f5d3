"""CNN Lab: assemble a convolutional network, train it live, and look inside it.

The package works without a browser (``python -m cnnlab``); the pages in ``pages/`` are thin views of it.
"""

import os

# Threads of torch that wait for each other must not keep a core busy for long: on two cores, beside a browser, a step of
# two threads took thirty times as long that way. But to sleep at once costs a small step as much as it takes. So they look
# 2,000 times for work before they sleep (GNU's OpenMP, on Linux; others sleep), which outlasts the gap between two
# operations. Read when torch is imported, so it stands here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__version__ = "0.1.0"
