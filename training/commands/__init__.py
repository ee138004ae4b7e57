"""The subcommands of `python -m training`: each parses its options and calls its program."""
