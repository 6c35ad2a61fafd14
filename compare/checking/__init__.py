"""`compare check`: a user's own function against the claims, with a diagnosis. No framework is imported here."""
