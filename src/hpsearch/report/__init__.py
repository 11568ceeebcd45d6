"""Reports: findings as a page of HTML, as Markdown, as figures, and as numbers for other programs."""

from hpsearch.report.write import write_report

__all__ = ["write_report"]
