"""Examples of every frame, a dialect a file, as the references show them."""
