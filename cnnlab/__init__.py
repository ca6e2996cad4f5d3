"""CNN Lab: assemble a convolutional network, train it live, and look inside it.

The package works without a browser (``python -m cnnlab``); the pages in ``pages/`` are thin views of it.
"""

import os

# Threads of torch that wait for each other must not keep a core busy with waiting: on two cores, beside a browser, a
# step of two threads took thirty times as long that way. Read when torch is imported, so it stands here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
