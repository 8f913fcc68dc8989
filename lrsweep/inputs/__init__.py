"""What the caller hands in: checked, and refused in one sentence that names the culprit."""
