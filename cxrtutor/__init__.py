"""cxrtutor: how machines find disease in a chest radiograph without being shown where it is.

The package is the code of a book. Each room (subpackage) is explained by the chapters that build it; importing the
package itself loads nothing heavy, so that the command line and the notebooks start at once.
"""

__version__ = "2026.11"
