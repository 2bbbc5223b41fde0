"""Neural networks (torch): published registration networks and the parts they share.

The registration networks take a moving and a fixed image, (B, 1, Z, Y, X), and return the
displacement from fixed to moving points on the same grid; each says in which units.
"""
