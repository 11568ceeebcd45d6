"""How the documentation is built: `sphinx-build -W docs <folder>`."""

from sphinx.domains.python import PyObject

import hpsearch

project = "hpsearch"
author = "the hpsearch maintainers"
version = release = hpsearch.__version__
copyright = author  # noqa: A001 (Sphinx reads this name)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "hpsearch"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = html_show_sourcelink = False

myst_heading_anchors = 3
highlight_language = "bash"  # of indented blocks, as in the README
default_role = "code"  # single backquotes of docstrings

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 60
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

next(field for field in PyObject.doc_field_types if field.name == "variable").label = "Attributes"  # not "Variables"
