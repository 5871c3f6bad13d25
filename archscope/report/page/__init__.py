"""Reports as HTML: one self-contained file each, readable without JavaScript and better with it."""

from archscope.report.page.design import design_page

__all__ = ["design_page"]
