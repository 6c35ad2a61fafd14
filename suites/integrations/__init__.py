"""What each named environment holds: NAME.txt, one exact version a line, for libraries that others would disturb."""
