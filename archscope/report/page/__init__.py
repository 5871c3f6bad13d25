"""Reports as HTML: one self-contained file each, readable without JavaScript and better with it."""

from archscope.report.page.comparison import comparison_page
from archscope.report.page.design import design_page
from archscope.report.page.sweep import sweep_page

__all__ = ["comparison_page", "design_page", "sweep_page"]
