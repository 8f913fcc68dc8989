"""Trials tables in, result tables out: column names, dtypes, grids, checks, CSV and Parquet. Pandas, and no JAX."""
