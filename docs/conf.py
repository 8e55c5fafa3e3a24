"""Settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from rnnimp import __version__

project = "rnnimp"
author = "the rnnimp developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "command_reference",
    "recipe_settings",
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"StrPath": "str | Path"}
napoleon_use_ivar = True
napoleon_attr_annotations = False
python_use_unqualified_type_names = True
default_role = "code"  # of docstrings
exclude_patterns = ["_build", "README.md"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
smartquotes = False  # --option stays --option

html_theme = "furo"
html_title = f"rnnimp {__version__}"
html_static_path = ["_static"]
html_css_files = ["rnnimp.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
