"""The report of a run or an evaluation: a page with pictures."""

from training.report.page import write_report

__all__ = ["write_report"]
