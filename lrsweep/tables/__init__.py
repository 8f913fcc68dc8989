"""Trials tables and result tables: column names, dtypes, grids, checks, CSV and Parquet. With pandas, without JAX."""
