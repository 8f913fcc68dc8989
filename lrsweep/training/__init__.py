"""One trial as scalar JAX code: how it starts, an update, its batches, what is measured, and what ends it."""
