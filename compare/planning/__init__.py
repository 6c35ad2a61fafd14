"""What will be run: profile.toml -> `spec` -> `plan` -> cells, as far as `availability` allows."""
