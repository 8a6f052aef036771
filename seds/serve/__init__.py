"""`seds serve`: a local page to search a corpus in both directions, play what is found, and see why it was."""
