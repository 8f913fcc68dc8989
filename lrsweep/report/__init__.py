"""The page: a result table as one HTML file."""
