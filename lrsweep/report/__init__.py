"""The report: what a table comes to, as one HTML file that opens offline."""
