"""The parts of the benchmark, `speed.py`: sweeps, what runs them, the processes they run in, and the report."""
