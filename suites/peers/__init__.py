"""What people would write instead, by the libraries' own tutorials: for the clock only, never judged."""
