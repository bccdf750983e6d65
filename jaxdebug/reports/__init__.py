"""Reports as data, and the renderers that draw them; knows nothing of JAX."""

from jaxdebug.reports.document import Column, Document, Section, Table
from jaxdebug.reports.html import render_html
from jaxdebug.reports.json_text import json_value, render_json
from jaxdebug.reports.literal import show_name
from jaxdebug.reports.numbers import format_apart, format_number
from jaxdebug.reports.save import save_report
from jaxdebug.reports.text import render_text
from jaxdebug.reports.verdict import WORST_FIRST, Verdict, worst

__all__ = [
    "WORST_FIRST",
    "Column",
    "Document",
    "Section",
    "Table",
    "Verdict",
    "format_apart",
    "format_number",
    "json_value",
    "render_html",
    "render_json",
    "render_text",
    "save_report",
    "show_name",
    "worst",
]
