"""Results on disk while they come: shards of a table, the manifest of what makes them, and what can be read of them."""
