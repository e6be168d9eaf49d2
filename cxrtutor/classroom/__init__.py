"""What a class needs, made from the book's sources: editions, slides, assignments, a bundle, a check of machines."""
