"""The chapters of a report, each a function from findings to a section."""
