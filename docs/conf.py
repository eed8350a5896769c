"""Sphinx: `make docs` builds docs/_build/html, without a warning or not at all."""

from importlib.metadata import version as installed

project = "wengert"
author = "The wengert authors"
copyright = f"2026, {author}"
version = release = installed("wengert")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
root_doc = "index"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
default_role = "literal"
napoleon_numpy_docstring = False
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"wengert {version}"
