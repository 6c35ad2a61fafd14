"""How results are shown: tables, figures and the page. No statistics here; imports neither `suites` nor `compare`."""
