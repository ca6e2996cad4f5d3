"""Run ``python -m cnnlab``."""

from cnnlab.cli import run

if __name__ == "__main__":
    run()
