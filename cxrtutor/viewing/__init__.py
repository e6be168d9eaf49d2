"""Pictures of radiographs, heat maps and results: matplotlib figures, and widgets that need no kernel."""
