"""Pictures of tables and curves, on matplotlib: each draws what a function of this package has computed."""
