"""How products and narrow values are computed on the machine at hand; the plain way beside each is its definition."""
