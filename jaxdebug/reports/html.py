"""A report in a notebook: its text, preformatted."""


def render_html(text: str) -> str:
    """The text as HTML that shows it literally."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<pre>{escaped}</pre>"
