"""Looks that are kept with the run of a sweep, on a real database."""

from tests.contracts.tracker import ReportViewsContract


class TestReportViews(ReportViewsContract):
    pass
