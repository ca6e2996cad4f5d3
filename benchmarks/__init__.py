"""What ``python -m cnnlab bench`` measures: the lab's promises of speed, each against what it is compared to."""
