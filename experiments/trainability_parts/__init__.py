"""The parts of the study `trainability.py`: its trials, the dimension of their boundary, plain loops, pictures."""
