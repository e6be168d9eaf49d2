"""What a representation is worth where something else is asked of it (chapters 17 and 18)."""
