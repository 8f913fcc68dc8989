"""The exit codes of a command that has not done all that it was asked to."""

MISTAKE = 2
UNWRITTEN = 3
