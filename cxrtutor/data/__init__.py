"""Studies: radiographs with reports, from the teaching set, prepared real sets, or single files."""
