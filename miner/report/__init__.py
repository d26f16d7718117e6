"""`cxr report`: one self-contained HTML page about a store.

Imports charts, stats, judge, score and store; called by the command line.
"""

from cxr.miner.report.report import ReportResult, write_report
from cxr.miner.report.settings import ReportSettings

__all__ = ["ReportResult", "ReportSettings", "write_report"]
