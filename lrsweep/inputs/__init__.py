"""Checks of what the caller passes, which is refused in one sentence that names the culprit."""
