"""`seds serve`: a web page to search a corpus in both directions, play the results, and see when words are signed."""
