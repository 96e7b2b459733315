"""Encryption at rest: the cipher, and which fields it seals."""
