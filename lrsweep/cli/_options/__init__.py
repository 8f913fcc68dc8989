"""The command line's options by subject: what each is called and what its help says, written once for all commands."""
