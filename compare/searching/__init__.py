"""`compare search`: random models with exact answers, run through every ELBO class, judged, shrunk and grouped."""
