"""What several tests need: corpora, films, projects and servers made for them."""
