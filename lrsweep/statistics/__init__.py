"""What tables say, on pandas and without JAX: statistics of settings, the best of them, and advice in sentences.

Statistics of settings: `_summary`, `_quartiles`, `_shares`; of bins of values: `_bins`, `_outcome_map`. The learning
rate to take: `_best`, `_sensitivity`. Two tables beside one another: `_compare`, of `_pairs` and their
`_effects`. In sentences: `_advice` (after a sweep), `_verdict` (on a table), `_conclusion` (after a refinement),
`_critical` (on critical learning rates), `_compared` (on two tables).
"""
