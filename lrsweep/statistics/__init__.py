"""What tables say: summaries, intervals, survival, the best, its sensitivity, and advice. Pandas, and no JAX."""
