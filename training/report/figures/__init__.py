"""The figures of a report, one in each file."""
