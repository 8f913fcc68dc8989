"""The report: a result table as one HTML page. `_page` writes it, `_charts` chooses and draws what is in it."""
