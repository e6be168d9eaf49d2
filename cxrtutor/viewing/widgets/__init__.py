"""Widgets: one ES module each, which serves JupyterLab and the published page, where no kernel runs."""
