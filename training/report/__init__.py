"""The report of a run or an evaluation, and a model's card: pages that a person can look at."""

from training.report.model_card import model_card
from training.report.page import write_report

__all__ = ["model_card", "write_report"]
